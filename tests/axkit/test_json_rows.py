"""JSON in the shapes that public tools write: read where they are clear, refused in a sentence where not."""

from __future__ import annotations

import json

import pytest
from readings import cells, write

from axkit.ground.errors import DataError

ROWS = [{"text": f"row {i}", "label": i % 2} for i in range(4)]
CELLS = [(row["text"], row["label"]) for row in ROWS]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def read(tmp_path):
    def go(value, name="x.json", **fields):
        content = value if isinstance(value, str | bytes) else json.dumps(value, ensure_ascii=False)
        return cells(write(tmp_path / name, content), **fields)

    return go


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table"])
def test_every_orient_of_pandas(read, orient):
    import pandas

    assert read(pandas.DataFrame(ROWS).to_json(orient=orient)) == CELLS


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        json.dumps(ROWS, indent=2),
        lines(ROWS),
        "\ufeff" + lines(ROWS).replace("\n", "\r\n"),
        "\n" + lines(ROWS).replace("\n", "\n \n"),
        {"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS], "version": 1},
        {"version": "1", "data": ROWS},
        [{"note": None, **row} for row in ROWS],
    ],
)
def test_shapes_of_the_same_rows(read, value):
    assert read(value) == CELLS
    assert read(value, "x.jsonl") == CELLS


def test_lists_of_lists_need_a_header(read):
    values = [list(row.values()) for row in ROWS]
    assert read(values, header=["text", "label"]) == CELLS
    assert read(lines(values), "x.jsonl", header=["text", "label"]) == CELLS
    with pytest.raises(DataError, match=r"x\.json, row 1: it is \['row 0', 0\], not an object; name their columns"):
        read(values)


def test_a_row_of_lists_is_one_row(read):
    one = {"kind": "token_classification", "text": "words", "label": "tags"}
    assert read({"words": ["a", "b"], "tags": ["O", "O"]}, **one) == [(["a", "b"], ["O", "O"])]
    assert read({"words": [["a"], ["b"]], "tags": [["O"], ["O"]]}, **one) == [(["a"], ["O"]), (["b"], ["O"])]


def test_values_come_as_they_are(read):
    odd = [1, 1.5, True, None, "1", [1, "a"], {"a": [None]}, 10**20, "\x00\x1e[1]", "a\u2028b\x85c", ""]
    assert [label for _, label in read(lines({"text": "a", "label": one} for one in odd), "x.jsonl")] == odd


def test_twenty_megabytes_of_null_then_a_text(read):
    rows = [
        '{"note": null, ' + f'"pad": "{"x" * 1000}", "text": "row {i}", "label": {i % 2}' + "}" for i in range(20_000)
    ]
    text = "\n".join([*rows, '{"note": "seen", "text": "last", "label": 1}'])
    assert len(text) > 20e6
    found = read(text, "x.jsonl")
    assert len(found) == 20_001
    assert found[-1] == ("last", 1)


DEEP = "[" * 101 + "]" * 101


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("null\n" + lines(ROWS), "x.jsonl, line 1: it is None, not an object; write each row as an object"),
        ("null", "x.jsonl: it holds None; write an object a line"),
        (lines(ROWS) + "[1]\n", "x.jsonl, line 5: it is [1], not an object"),
        (
            lines(ROWS) + '{"text": "a", "label": 1,\n',
            "x.jsonl, line 5: it is not valid jsonl (Expecting property name",
        ),
        (
            lines(ROWS) + f'{{"text": "a", "label": 1, "x": {DEEP}}}\n',
            "x.jsonl, line 5: it is more than 100 levels deep",
        ),
        (lines(ROWS) + '{"x": ' + "[" * 100_000 + "\n", "x.jsonl, line 5: it is"),
        (
            lines(ROWS) + '{"text": "a", "label": ' + "9" * 5000 + "}\n",
            "line 5: it holds a number of thousands of digits",
        ),
        (lines(ROWS) + '{"text": "a", "label": 1, "label": 0}\n', "x.jsonl, line 5, column 'label': it is there twice"),
        (lines({"text": "a"} for _ in ROWS), "x.jsonl: no column 'label'; the columns are text"),
        ('{"a\\nb": 1}\n{"c": 2}\n', "x.jsonl: no column 'text'; the columns are a\\nb, c;"),
        (
            '{"a": {"b": 1}, "c": [1]}',
            "x.jsonl: it is one object with the keys a, c; write an object a line, or a list",
        ),
        ('{"text": ["a"], "label": [1, 2]}', "its columns have different numbers of rows"),
        ('{"text": {"0": "a"}, "label": {"1": 1}}', "its columns have different rows"),
        ('{"text": "a", "label": "\\ud800"}\n' * 2, "x.jsonl, row 1, column 'label': it holds half a character"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(read, content, message):
    with pytest.raises(DataError) as caught:
        read(content, "x.jsonl")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_key_twice_matters_where_it_is_read(read):
    assert read('{"text": "a", "label": 1, "x": {"label": 2}, "y": 1, "y": 2}\n' * 2, "x.jsonl") == [("a", 1)] * 2


FLAT = [{"id": "q1", "question": "Who?", "context": "Ada wrote.", "answers": {"text": ["Ada"], "answer_start": [0]}}]
QAS = [{"id": "q1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}], "is_impossible": False}]
PARAGRAPHS = [{"context": "Ada wrote.", "qas": QAS}]
ARTICLES = [{"title": "t", "paragraphs": PARAGRAPHS}]
SQUAD = {"kind": "question_answering", "text": ["question", "context"], "label": "answers", "id": "id"}
READ = [("Who?", "Ada wrote.", {"text": ["Ada"], "answer_start": [0]}, "q1")]


@pytest.mark.parametrize(
    "value", [{"version": "1.1", "data": ARTICLES}, ARTICLES, ARTICLES[0], PARAGRAPHS, FLAT, {"data": FLAT}, FLAT[0]]
)
def test_squad_in_every_shape(read, value):
    assert read(value, **SQUAD) == READ


@pytest.mark.parametrize("rows", [ARTICLES * 2, PARAGRAPHS * 2, FLAT * 2])
def test_squad_by_lines(read, rows):
    assert read(lines(rows), "x.jsonl", **SQUAD) == READ * 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": [{"paragraphs": [{"qas": QAS}]}]}, "it is not SQuAD's JSON (data[0].paragraphs[0] has no 'context')"),
        (
            {"data": [{"paragraphs": [{"context": "a", "qas": [{"id": 1}]}]}]},
            "data[0].paragraphs[0].qas[0] has no 'ques",
        ),
        (
            {"data": [{"paragraphs": [{"context": "a", "qas": [3]}]}]},
            "data[0].paragraphs[0].qas[0] is 3, not a question",
        ),
        ({"data": [{"paragraphs": 3}]}, "(data[0] has no 'paragraphs' nor 'qas')"),
        ({"data": [*ARTICLES, None]}, "data[1] is None, no part of SQuAD's JSON"),
    ],
)
def test_squad_that_lacks_something_is_told_by_its_path(read, value, message):
    with pytest.raises(DataError) as caught:
        read(value, **SQUAD)
    assert message in str(caught.value)
