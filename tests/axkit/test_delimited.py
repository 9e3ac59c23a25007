"""CSV and TSV as public tools write them: read as they are meant, or refused with line and way out."""

from __future__ import annotations

import csv
import io

import pytest
from readings import cells, loaded, write

from axkit.ground.errors import DataError
from axkit.tasks.spec import TaskSpec


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def read(tmp_path):
    def go(content, name="x.csv", **fields):
        return cells(write(tmp_path / name, content), **fields)

    return go


TWO = [("one", "0"), ("two", "1")]


@pytest.mark.parametrize("filler", ["", "7"])
def test_columns_that_nobody_asked_for_are_not_looked_at(tmp_path, filler):
    rows = "".join(f"row {i},{i % 2},{filler}\n" for i in range(10_001))
    made = loaded(write(tmp_path / "x.csv", f"text,label,note\n{rows}row z,1,seen\n"))
    assert len(made.splits["test"]) == 10_002
    assert made.label_names == ("0", "1")


def test_a_label_that_is_no_number_comes_late(tmp_path):
    rows = "".join(f"row {i},{i % 2}\n" for i in range(10_001))
    assert loaded(write(tmp_path / "x.csv", f"text,label\n{rows}row z,other\n")).label_names == ("0", "1", "other")


def test_quotes_of_tsv_are_characters(read):
    rows = [("plain", "0"), ('"begins', "1"), ('"whole"', "0"), ('ends"', "1"), ('an "inner" one', "0")]
    text = "text\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows)
    assert read(text, "x.tsv") == rows
    assert read(text, "x.tsv", quoting="none") == rows


def test_a_tsv_that_was_written_with_quotes_is_told_from_one_without(read):
    text = io.StringIO()
    rows = [('he said "no"', "0"), ("plain", "1")]
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([("text", "label"), *rows])
    with pytest.raises(
        DataError, match=r"x\.tsv, line 2: every quote .* set the task's 'quoting: minimal' if they are"
    ):
        read(text.getvalue(), "x.tsv")
    assert read(text.getvalue(), "x.tsv", quoting="minimal") == rows
    assert read(text.getvalue(), "x.tsv", quoting="none") == [('"he said ""no"""', "0"), ("plain", "1")]


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ("one,0\ntwo,1\n", {"header": ["text", "label"]}),
        ("text,label\none,0\ntwo,1\n", {"header": ["text", "label"]}),
        ("one,0\ntwo,1\n", {"header": False, "text": "0", "label": "1"}),
        ("text;label\none;0\ntwo;1\n", {"sep": ";"}),
        ("sep=;\r\ntext;label\r\none;0\r\ntwo;1\r\n", {}),
        ("\ufefftext,label\none,0\ntwo,1\n", {}),
        ("text,label\r\none,0\r\ntwo,1\r\n", {}),
        ("text,label\rone,0\rtwo,1\r", {}),
        ("text,label\n\none,0\n   \ntwo,1", {}),
        ("text, label \none,0\ntwo,1\n", {}),
        (",text,label\n0,one,0\n1,two,1\n", {}),
        ("x,x,label,text\n,,0,one\n,,1,two\n", {}),
        ("text|label\none|0\ntwo|1\n", {"sep": "|", "quoting": "none"}),
        ("text\tlabel\none\t0\ntwo\t1\n", {"sep": "\\t"}),
    ],
)
def test_ways_to_write_two_rows(read, content, fields):
    assert read(content, **fields) == TWO


@pytest.mark.parametrize("space", ["\u00a0", "\u2028", "\u2029", "\x85", "\x0c", "\x0b", "\x1c", "\u3000"])
def test_no_space_ends_a_line(read, space):
    assert read(f"text,label\na{space}b,0\nc,1\n") == [(f"a{space}b", "0"), ("c", "1")]


def test_a_quoted_field_keeps_its_line_ends(read):
    assert read('text,label\r\n"a\r\nb, c\n",0\r\nd,1\r\n') == [("a\r\nb, c\n", "0"), ("d", "1")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"text,label\na,0\nb,c,1\n",
            "x.csv, line 3: 3 columns where 2 are wanted; mend the line, or the task's 'sep'",
        ),
        (b"text,label\na,0\nb\n", "line 3: 1 columns where 2 are wanted"),
        (
            b'text,label\na,1\n"b,0\nc,1\n',
            "line 3: a quote that opens here never ends; mend it, or set the task's 'quot",
        ),
        (b'text,label\n"a \\"b\\" c",0\n', "line 2: a quote that opens here ends within a field"),
        (b'text,label\na,1\n"b,0\nc,1\nd",0\n', "line 3: a field in quotes holds 3 lines that look like rows; set the"),
        (b"text,label\na\0b,0\n", "line 2: it holds a zero byte"),
        ("text,label\na,0\n".encode("utf-16"), "line 1: the file is UTF-16; save the file as UTF-8"),
        ("text,label\na,0\ncafé,1\n".encode("cp1252"), "line 3: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (b"text,label,label\na,0,1\n", "line 1: 2 columns are called 'label'; rename all but one"),
        (b"text;label\na;0\n", "no column 'text'; the columns are text;label; they seem to be parted by ';': set the"),
        (
            b"a film,0\nb,1\n",
            "line 1: no column 'text'; the columns are a film, 0; if the first line is a row, name the",
        ),
        (b"Text,label\na,0\n", "no column 'text'; the columns are Text, label; did you mean 'Text'?"),
        (b'text,label,"a\nb"\na,0,1\n', None),
        (b'"te\nxt",label\na,0\n', r"the columns are te\nxt, label; "),
    ],
)
def test_what_cannot_be_read_is_told_by_its_line(read, content, message):
    if message is None:
        assert read(content) == [("a", "0")]
        return
    with pytest.raises(DataError) as caught:
        read(content)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_header_that_is_there_already_is_no_row(read):
    with pytest.raises(
        DataError, match=r"line 1: it seems to name the columns, as 'label' stands there; leave the task"
    ):
        read("sentence,label\none,0\n", header=["text", "label"])
    assert read("0,1\n", header=["0", "1"], text="0", label="1") == [("0", "1")], "numbers are no names"
    assert read("5,1\n", header=["0", "1"], text="0", label="1") == [("5", "1")]


def test_long_texts_with_line_breaks_are_no_rows(read):
    letters = "".join(f'"Dear Sir,\nhello, you\n{i}",{i % 2}\n' for i in range(30))
    assert len(read(f"text,label\n{letters}")) == 30
    long = "word " * 100_000
    assert read(f'text,label\n"{long}",0\n') == [(long, "0")]


def test_the_limit_of_fields_is_left_as_it_was(read):
    before = csv.field_size_limit()
    read("text,label\na,0\n")
    with pytest.raises(DataError):
        read('text,label\n"a,0\n')
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    "fields",
    [{"sep": ""}, {"sep": "ab"}, {"sep": '"'}, {"sep": "\n"}, {"header": ["a", "a"]}, {"label_names": ["a", " "]},
     {"label_names": ["a", "a"]}, {"label_sep": ";"}],
)  # fmt: skip
def test_settings_that_say_nothing_are_refused(fields):
    with pytest.raises(ValueError, match=r"takes|twice|empty"):
        TaskSpec(**({"kind": "classification", "text": "text", "label": "label"} | fields))
