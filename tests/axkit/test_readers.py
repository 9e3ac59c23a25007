"""Files to rows, and every kind of wrong data as one sentence."""

from __future__ import annotations

import json
import math

import pytest

from axkit.ground.errors import DataError
from axkit.tasks.samples import Samples
from axkit.tasks.source.readers import read_file
from axkit.tasks.source.rows import load_rows
from axkit.tasks.source.table import Table
from axkit.tasks.spec import Task, TaskSpec


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


def load(path, **fields):
    spec = {"kind": "classification", "text": "s", "label": "y", "files": {"train": str(path), "test": str(path)}}
    return load_rows(Task("t", TaskSpec(**(spec | fields))), Samples())


def read(path, *columns, **fields):
    """The rows of a file, as they are before anybody says what they mean."""
    first, *rest = columns
    kind = "multi_label" if len(rest) > 1 else "classification"
    spec = TaskSpec(**({"kind": kind, "text": first, "label": rest[0] if len(rest) == 1 else rest} | fields))
    return list(Table([read_file("train", str(path), spec)]))


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def sentences(n=40):
    return [{"s": f"row number {i}", "y": i % 2} for i in range(n)]


def test_csv_keeps_words_that_look_like_nothing(tmp_path):
    """pandas would read NA, null and None as missing."""
    path = tmp_path / "x.csv"
    path.write_text(
        "s,y\n" + "".join(f"{word} {i},{i % 2}\n{word},1\n" for i, word in enumerate(["NA", "null", "None"]))
    )
    assert [row["s"] for row in read(path, "s", "y")][1::2] == ["NA", "null", "None"]


def test_a_quoted_csv_field_may_hold_commas_and_newlines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('s,y\n"one, two\nthree",1\nfour,0\n')
    assert read(path, "s", "y") == [{"s": "one, two\nthree", "y": "1"}, {"s": "four", "y": "0"}]


def test_several_files_make_one_split_of_parts(tmp_path):
    one = jsonl(tmp_path / "matched.jsonl", sentences(10))
    two = jsonl(tmp_path / "mismatched.jsonl", sentences(30)[10:])
    train = jsonl(tmp_path / "train.jsonl", [{"s": f"other {i}", "y": i % 2} for i in range(40)])
    rows = load(train, files={"train": str(train), "test": [str(one), str(two)]})
    test = rows.splits["test"]
    assert sorted(set(test.parts)) == ["matched", "mismatched"]
    assert all(
        (int(text[0].split()[-1]) < 10) == (part == "matched")
        for text, part in zip(test.texts, test.parts, strict=True)
    )
    assert not rows.splits["train"].parts


def test_every_class_is_held_out(tmp_path):
    rows = sentences(200) + [{"s": f"rare {i}", "y": 2} for i in range(2)]
    splits = load(jsonl(tmp_path / "x.jsonl", rows)).splits
    for name in ("train", "search"):
        assert set(splits[name].labels.tolist()) == {0, 1, 2}, name
    with pytest.raises(DataError, match="too few rows to hold a search split out; give a search split"):
        load(jsonl(tmp_path / "y.jsonl", [{"s": "same", "y": 0}, {"s": "same", "y": 1}]))


FAULTS = {
    "missing column": ([{"t": "x", "y": 1}], {}, "no column 's'; the columns are t, y"),
    "label outside": ([*sentences(), {"s": "x", "y": -1}], {}, "row 41: label -1 is outside 0..1"),
    "unknown label": ([*sentences(), {"s": "x", "y": 2}], {"label_names": ["a", "b"]}, "label 2 is outside 0..1"),
    "no label": ([*sentences(), {"s": "x", "y": None}], {}, "row 41: label None is no label"),
    "empty text": ([*sentences(), {"s": " ", "y": 1}], {}, "row 41: 's' holds no text"),
    "no text": ([*sentences(), {"y": 1}], {}, "row 41: 's' holds no text"),
    "one class": ([{"s": f"x {i}", "y": 1} for i in range(9)], {}, "needs two labels or more, train has 1"),
    "one of two named": ([{"s": f"x {i}", "y": 1} for i in range(9)], {"label_names": ["a", "b"]}, "train has 1"),
    "double id": ([{"s": f"x {i}", "y": i % 2, "id": i % 9} for i in range(40)], {"id": "id"}, "'id' is 0, as in row"),
    "nan score": ([{"s": "x", "y": 0.5}, {"s": "x", "y": math.nan}], {"kind": "regression"}, "row 2: score 'y' is"),
    "text for a score": ([{"s": "x", "y": "high"}], {"kind": "regression"}, "score 'y' is 'high'; it must be a finite"),
    "no list": ([{"s": "x", "y": 3}], {"kind": "multi_label", "label_names": ["a", "b"]}, "must be a list of labels"),
    "not 0 or 1": ([{"s": "x", "a": 0, "b": 2}], {"kind": "multi_label", "label": ["a", "b"]}, "each must be 0 or 1"),
    "tags": ([{"s": ["a", "b"], "y": ["O"]}], {"kind": "token_classification"}, "2 words have 1 tags"),
    "no tags of entities": (
        [{"s": ["a", "b"], "y": ["NN", "VB"]}], {"kind": "token_classification"}, "'NN' is no tag of an entity",
    ),
    "no words": ([{"s": [], "y": ["O", "B-X"]}], {"kind": "token_classification"}, "row 1: 's' is no list of words"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_rows_are_one_sentence(tmp_path, fault):
    rows, fields, message = FAULTS[fault]
    with pytest.raises(DataError) as caught:
        load(jsonl(tmp_path / "x.jsonl", rows), **fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "conll", "json"])
def test_bytes_that_are_not_utf8_are_named(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    start = {
        "csv": b"s,y\nfine,1\n", "tsv": b"s\ty\nfine\t1\n", "conll": b"s y\nfine 1\n",
        "json": b'[{"s": "fine", "y": 1},\n\n', "jsonl": b'{"s": "fine", "y": 1}\n{"s": "also", "y": 0}\n',
    }[suffix]  # fmt: skip
    path.write_bytes(start + b"caf\xe9\n")
    with pytest.raises(DataError, match=r"line 3: byte 0xe9 is not UTF-8; save the file as UTF-8"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"s": "a", "y": 1}\n{"s": ', "line 2: it is not valid jsonl"),
        ("x.parquet", "no parquet", "it is not valid parquet"),
        ("x.xlsx", "x", "axkit reads"),
        ("x.csv", "", "is empty"),
        ("missing.csv", None, "does not exist"),
        ("a\0b.csv", None, "does not exist"),
        ("x" * 5000 + ".csv", None, "does not exist"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match="is a folder, or another thing that is no file; give a file"):
        load(tmp_path / "x.csv")


def test_a_bad_score_in_a_csv_is_named_by_its_row(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("s,y\none,1.5\ntwo,nan\n")
    with pytest.raises(DataError, match="row 2: score 'y' is nan; it must be a finite number"):
        load(path, kind="regression")


def test_a_very_long_text_is_truncated_and_counted(tmp_path):
    from axkit.tasks.kinds.known import KINDS
    from axkit.tasks.split import Split
    from axkit.testing import tiny_tokenizer

    rows = load(jsonl(tmp_path / "x.jsonl", [*sentences(), {"s": "good film " * 1000, "y": 1}])).splits["test"]
    spec = TaskSpec(kind="classification", text="s", label="y", max_length=32)
    split = Split(rows, spec, KINDS["classification"], tiny_tokenizer(), 60)
    assert split.lengths.max() == 32
    assert split.at_limit == 1
