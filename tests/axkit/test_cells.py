"""What the cell of a label says: decided once for its column, or refused with the row and the way out."""

from __future__ import annotations

import json

import pytest
from readings import by_text, loaded, write

from axkit.ground.errors import DataError
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import Task, TaskSpec

NAN = float("nan")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def jsonl(path, labels, text="row"):
    rows = [{"text": f"{text} {i}", "label": label} for i, label in enumerate(labels)]
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def classes(tmp_path):
    """Labels, ten times over, in a JSONL file -> (names, class of each label in the order given)."""

    def go(*labels, **fields):
        rows = loaded(jsonl(tmp_path / "x.jsonl", labels * 10), **fields)
        found = by_text(rows)
        return rows.label_names, [found[f"row {i}"] for i in range(len(labels))]

    return go


STARS = ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("labels", "fields", "names", "read"),
    [
        ((0, 1, 2), {}, "0 1 2", "0 1 2"),
        ((1, 2, 3, 4), {}, "1 2 3 4", "1 2 3 4"),
        ((1, 2, 4), {"label_names": STARS}, "1 2 3 4 5", "1 2 4"),
        ((1, 5), {"label_names": STARS}, "1 2 3 4 5", "1 5"),
        (("1", "5.0", 2.0), {"label_names": STARS}, "1 2 3 4 5", "1 5 2"),
        ((1, 2), {"label_names": ["2.0", "1.0"]}, "2.0 1.0", "1.0 2.0"),
        ((0.0, 1.0), {}, "0 1", "0 1"),
        (("0", "1"), {}, "0 1", "0 1"),
        (("0", 1, 2.0), {}, "0 1 2", "0 1 2"),
        (("10", "9", *map(str, range(1, 9))), {}, "1 2 3 4 5 6 7 8 9 10", "10 9 1 2 3 4 5 6 7 8"),
        ((0, 1), {"label_names": ["neg", "pos"]}, "neg pos", "neg pos"),
        (("1", "0"), {"label_names": ["neg", "pos"]}, "neg pos", "pos neg"),
        ((0.0, 1.0), {"label_names": ["neg", "pos"]}, "neg pos", "neg pos"),
        ((True, False), {}, "False True", "True False"),
        ((True, False), {"label_names": ["neg", "pos"]}, "neg pos", "pos neg"),
        ((-1, 1), {"label_names": ["-1", "1"]}, "-1 1", "-1 1"),
        ((0, 2, 4), {"label_names": ["0", "2", "4"]}, "0 2 4", "0 2 4"),
        ((0.5, 1), {"label_names": ["0.5", "1"]}, "0.5 1", "0.5 1"),
        (("007", "7"), {}, "007 7", "007 7"),
        (("pos", "neg"), {}, "neg pos", "pos neg"),
        ((" pos", " neg"), {}, "neg pos", "pos neg"),
        (("pos", "Pos"), {"label_names": ["Pos", "pos"]}, "Pos pos", "pos Pos"),
        ((0, 1, "other"), {}, "0 1 other", "0 1 other"),
        (("NA", "null", "None"), {}, "NA None null", "NA null None"),
    ],
)
def test_a_label_is_the_class_of_its_name(classes, labels, fields, names, read):
    assert classes(*labels, **fields) == (tuple(names.split()), read.split())


@pytest.mark.parametrize(
    ("labels", "fields", "message"),
    [
        ((0, 2), {}, "the labels of train are the numbers 0, 2, and no row has 1; name them all in 'label_names'"),
        ((3, 4), {}, "the numbers 3, 4, and they begin at 3; name them all in 'label_names'"),
        ((0, -1), {}, "row 2: label -1 is outside 0..0; drop the row, or name the labels in 'label_names'"),
        ((0, 1, 4), {"label_names": STARS}, "row 1: label 0 is none of 1, 2, 3, 4, 5; "),
        ((0, 6), {"label_names": ["neg", "pos"]}, "row 2: label 6 is outside 0..1"),
        (
            ("neg", 1),
            {"label_names": ["neg", "pos"]},
            "row 2: label 1 is none of neg, pos; a column holds names, or num",
        ),
        (("neg", "bad"), {"label_names": ["neg", "pos"]}, "row 2: label 'bad' is none of neg, pos; mend the row or"),
        (
            ("neg", "POS"),
            {"label_names": ["neg", "pos"]},
            "row 2: label 'POS' differs from 'pos' in case or spaces only",
        ),
        (
            ("pos", "neg", "Pos"),
            {},
            "row 3: label 'Pos' differs from 'pos' (task 't', train split, row 1) in case or spac",
        ),
        (("pos", "neg", "pos "), {}, "row 3: label 'pos ' differs from 'pos'"),
        (("e\u0301", "\u00e9"), {}, "in case or spaces only"),
        ((0.0, 0.5), {}, "row 2: label 0.5 is no whole number; scores are of kind 'regression'"),
        ((0, NAN), {}, "row 2: label nan is no label; fill it in or drop the row"),
        ((0, None), {}, "row 2: label None is no label"),
        ((0, ""), {}, "row 2: label '' is no label"),
        ((0, 10**30), {}, "is a number beyond all labels"),
        ((0, float("inf")), {}, "row 2: label inf is a number beyond all labels"),
        (
            (["pos"], ["neg"]),
            {},
            "row 1: label ['pos'] is a list; write a name or a number, or take a kind of task that",
        ),
        (("pos", {"a": 1}), {}, "row 2: label {'a': 1} is an object"),
        (("pos", "['a', 'b']"), {}, """row 2: label "['a', 'b']" is the text of a list; write JSONL, or a name"""),
        (("pos", "a\nb"), {}, r"row 2: label 'a\nb' holds control characters"),
    ],
)
def test_a_label_that_says_nothing_is_one_sentence(classes, labels, fields, message):
    with pytest.raises(DataError) as caught:
        classes(*labels, **fields)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_splits_that_write_their_labels_otherwise(tmp_path):
    numbers, names = jsonl(tmp_path / "a.jsonl", [0, 1] * 10), jsonl(tmp_path / "b.jsonl", ["pos", "neg"] * 10)
    found = by_text(loaded(numbers, names, label_names=["neg", "pos"]))
    assert (found["row 0"], found["row 1"]) == ("pos", "neg")
    with pytest.raises(DataError, match="test split, row 1: label 'pos' is none of 0, 1"):
        loaded(numbers, names)
    with pytest.raises(DataError, match="test split, row 1: label 0 is none of neg, pos"):
        loaded(names, numbers)


def test_a_row_of_several_files_is_told_by_its_file(tmp_path):
    one, two = jsonl(tmp_path / "one.jsonl", [0, 1] * 10), jsonl(tmp_path / "two.jsonl", [0, 1, None])
    with pytest.raises(DataError, match="train split, row 3 of two: label None is no label"):
        loaded(one, files={"train": [str(one), str(two)], "test": str(one)})


@pytest.fixture
def several(tmp_path):
    """Cells of several labels, ten times over -> (names, the labels of each cell)."""

    def go(*cells, **fields):
        rows = loaded(jsonl(tmp_path / "x.jsonl", cells * 10), kind="multi_label", **fields)
        part = rows.splits["test"]
        found = {
            text[0]: "+".join(name for name, there in zip(rows.label_names, label, strict=True) if there)
            for text, label in zip(part.texts, part.labels, strict=True)
        }
        return " ".join(rows.label_names), [found[f"row {i}"] for i in range(len(cells))]

    return go


ABC = {"label_names": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("cells", "fields", "names", "read"),
    [
        ((["b", "a"], ["c"], []), {}, "a b c", ["a+b", "c", ""]),
        (([0, 2], [1]), {}, "0 1 2", ["0+2", "1"]),
        (([0, 2], [1]), ABC, "a b c", ["a+c", "b"]),
        (([1, 0, 1], [0, 0, 0]), ABC, "a b c", ["a+c", ""]),
        (([1.0, 0.0, 1.0], [0.0, 1.0, 0.0]), ABC, "a b c", ["a+c", "b"]),
        (([True, False, True], [False, False, False]), ABC, "a b c", ["a+c", ""]),
        (([1, 1], [0, 1]), {"label_names": ["a", "b"]}, "a b", ["a+b", "b"]),
        (("a;b", "c"), ABC, "a b c", ["a+b", "c"]),
        (("a, b", "c"), ABC, "a b c", ["a+b", "c"]),
        (("a b", "c"), ABC, "a b c", ["a+b", "c"]),
        (("very good", "bad"), {"label_names": ["very good", "bad"]}, "very good bad", ["very good", "bad"]),
        (("a b|c", "", None), {"label_sep": "|"}, "a b c", ["a b+c", "", ""]),
        (("1 0 1", "0 0 0"), {"label_sep": " ", **ABC}, "a b c", ["a+c", ""]),
        (("a", "b"), {}, "a b", ["a", "b"]),
    ],
)
def test_several_labels_in_a_cell(several, cells, fields, names, read):
    assert several(*cells, **fields) == (names, read)


@pytest.mark.parametrize(
    ("cells", "fields", "message"),
    [
        (
            ("a;b", "c"),
            {},
            "row 1: 'label' is the text 'a;b'; if it holds several labels, say what parts them in 'label_",
        ),
        (("c", "very good"), {}, "row 2: 'label' is the text 'very good'; if it holds several labels"),
        (("['a', 'b']", "c"), {}, "the text of a list; write JSONL"),
        (("['a' 'b'\n 'c']", "c"), {}, "the text of a list; write JSONL"),
        (([1, 0, 1], [0, 0, 0]), {}, "'label' holds lists of 3 times 0 or 1; name the labels that they stand for in"),
        (
            ([1, 0], [0, 1]),
            {"label_names": ["a", "b"]},
            "which may be a 0 or 1 for each label, or the labels' numbers; ",
        ),
        (([["a"]], ["b"]), {}, "row 1: label ['a'] is a list"),
        (([None], ["b"]), {}, "row 1: label None is no label"),
        ((["a"], None), {}, "row 2: 'label' is None; it must be a list of labels"),
    ],
)
def test_several_labels_that_can_be_read_in_two_ways(several, cells, fields, message):
    with pytest.raises(DataError) as caught:
        several(*cells, **fields)
    assert message in str(caught.value)


def test_indicators_are_decided_by_train(tmp_path):
    train = jsonl(tmp_path / "a.jsonl", [[1, 0, 1], [0, 1, 0]] * 10)
    fields = {"kind": "multi_label", **ABC}
    assert loaded(train, jsonl(tmp_path / "b.jsonl", [[0, 0, 1]]), **fields).splits["test"].labels.tolist() == [
        [0, 0, 1]
    ]
    with pytest.raises(
        DataError, match=r"row 1: 'label' is \[0, 2\]; as in train it must have 0 or 1 for each of the 3"
    ):
        loaded(train, jsonl(tmp_path / "c.jsonl", [[0, 2]]), **fields)


@pytest.mark.parametrize(
    ("x", "y", "bits"),
    [(0, 1, [0, 1]), ("0", "1.0", [0, 1]), (True, False, [1, 0]), ("True", "false", [1, 0]), (1.0, 0.0, [1, 0])],
)
def test_a_column_of_0_and_1_for_each_label(x, y, bits):
    rows = [{"s": f"row {i}", "x": x, "y": y} for i in range(20)]
    spec = TaskSpec(kind="multi_label", text="s", label=["x", "y"])
    found = load_rows(Task("t", spec, lambda: {"train": rows, "test": rows[:1]}), Samples())
    assert found.splits["test"].labels.tolist() == [bits]
