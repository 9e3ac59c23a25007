"""Label names of a checkpoint's head against those of the data: matched by name, told, or refused with both."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from axkit.ground.errors import DataError
from axkit.tasks.kinds.kind import kind_of, metric_of
from axkit.tasks.labels.head import Head
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import Task, TaskSpec

NLI = ("entailment", "neutral", "contradiction")
LABELS = tuple(f"LABEL_{i}" for i in range(3))


def load(labels, head, test=None, column="y", **fields):
    """The rows of a task whose column holds these labels; 20 of each in train, in turn."""
    spec = TaskSpec(**({"kind": "classification", "text": "s", "label": column} | fields))

    def rows(values, times):
        return [{"s": f"text {i} {v}", "y": v} for i, v in enumerate([*values] * times)]

    source = {"train": rows(labels, 20), "test": rows(test if test is not None else labels, 1)}
    names = None if head is None else Head(tuple(head), "model 'm'")
    return load_rows(Task("files", spec, lambda: source), Samples(), names)


def many(letter, count):
    return [f"{letter}{i}" for i in range(count)]


def told(loaded):
    """The label of each test row, by name."""
    split = loaded.splits["test"]
    return {
        text[0].split()[-1]: loaded.label_names[label] for text, label in zip(split.texts, split.labels, strict=True)
    }


def test_the_same_names_take_the_models_order():
    loaded = load(sorted(NLI), NLI)
    assert loaded.label_names == NLI
    assert told(loaded) == {name: name for name in NLI}
    assert load(sorted(NLI), None).label_names == tuple(sorted(NLI)), "without a head they are sorted"
    assert "the model's names" in loaded.naming


@pytest.mark.parametrize("declared", [NLI, tuple(reversed(NLI))])
def test_names_that_the_task_fixes_are_matched_by_name_and_its_numbers_are_its_own(declared):
    head = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")  # as published MNLI heads have them
    loaded = load([0, 1, 2], head, label_names=list(declared))
    assert loaded.label_names == head, "the model keeps its names"
    assert told(loaded) == {str(i): name.upper() for i, name in enumerate(declared)}
    assert "entailment = ENTAILMENT" in loaded.naming


def test_case_spaces_and_hyphens_tell_no_names_apart():
    loaded = load(["Not Entailment", "entailment"], ["ENTAILMENT", "not_entailment"])
    assert told(loaded)["Entailment"] == "not_entailment"
    with pytest.raises(DataError, match="has the labels a b, a_b, task 'files' has a-b, c"):
        load(["a-b", "c"], ["a b", "a_b"])


def test_numbers_are_places_of_the_models_names():
    loaded = load([0, 1, 2], NLI)
    assert told(loaded) == dict(zip("012", NLI, strict=True))
    assert "number i of the data is its label i" in loaded.naming
    with pytest.raises(DataError, match=r"has a head for 3 labels .* has 2 .*'label_map'"):
        load([0, 1], NLI)
    assert told(load([0, 1], NLI, label_map={"0": "contradiction", "1": "neutral"})) == {
        "0": "contradiction", "1": "neutral",
    }  # fmt: skip


def test_a_number_that_is_the_text_of_a_name_is_that_label():
    stars = [*"12345"]
    assert told(load([5, 1, 3], stars)) == {"5": "5", "1": "1", "3": "3"}
    assert told(load(["0", "1", "2"], NLI)) == dict(zip("012", NLI, strict=True)), "as CSV has numbers"
    assert told(load([2, 0, 2], NLI)) == {"2": "contradiction", "0": "entailment"}, "none of 1 here"
    assert told(load([2, 7], None, label_map={"2": "good", "7": "bad"})) == {"2": "good", "7": "bad"}


def test_a_rare_label_may_be_missing_anywhere():
    loaded = load(["neutral", "entailment"], NLI, test=["contradiction", "neutral"])
    assert loaded.label_names == NLI
    assert told(loaded)["contradiction"] == "contradiction"
    assert "none of contradiction" in loaded.naming
    assert load(["neutral", "entailment"], NLI, test=["neutral"]).label_names == NLI
    shouted = load(["neutral", "entailment"], [name.upper() for name in NLI], test=["contradiction", "neutral"])
    assert told(shouted)["contradiction"] == "CONTRADICTION", "train does not tell how it is spelled"
    with pytest.raises(DataError, match="label 'other' is none of"):
        load(["neutral", "entailment"], NLI, test=["other"])


@pytest.mark.parametrize(
    ("labels", "head", "words"),
    [
        (["yes", "no"], ("good", "bad"), "has the labels good, bad, task 'files' has no, yes; say which .*label_map"),
        (["a", "b", "c", "d"], ("a", "b", "c"), "has the labels a, b, c, task 'files' has a, b, c, d"),
        (many("n", 30), many("m", 40), r"m7 and 32 more, task 'files' has n0.* and 22 more"),
        (["a", "b"], LABELS, r"has a head for 3 labels, task 'files' has 2 \(a, b\)"),
        ([0, 1], LABELS, "has a head for 3 labels, task 'files' has 2"),
        ([0, 1, 2, 3], LABELS, "has a head for 3 labels, task 'files' has 4"),
        ([*"01234"], [*"12345"], "has the labels 1, 2, 3, 4, 5, task 'files' has 0, 1, 2"),
        (["x", "y"], ("LABEL_1", "LABEL_0"), "has the labels LABEL_1, LABEL_0"),
    ],
)  # fmt: skip
def test_another_set_is_one_sentence_with_both(labels, head, words):
    with pytest.raises(DataError, match=words) as caught:
        load(labels, head)
    assert "\n" not in str(caught.value)


def test_a_map_says_what_the_model_calls_a_label_and_may_join_some():
    mapped = {"hate": "toxic", "insult": "toxic", "fine": "ok"}
    loaded = load(["fine", "hate", "insult"], ["ok", "spam", "toxic"], label_map=mapped)
    assert told(loaded) == {"fine": "ok", "hate": "toxic", "insult": "toxic"}
    assert "hate = toxic" in loaded.naming
    loaded = load(["fine", "hate", "insult"], None, label_map=mapped)
    assert loaded.label_names == ("ok", "toxic")
    assert told(loaded)["insult"] == "toxic"
    with pytest.raises(DataError, match=r"'label_map' names 'toxi', which is no label of .*did you mean 'toxic'"):
        load(["fine", "hate", "insult"], ["ok", "spam", "toxic"], label_map={**mapped, "hate": "toxi"})
    by_output = load(["neg", "pos"], ["good", "bad"], label_map={"neg": 1, "pos": 0})
    assert told(by_output) == {"neg": "bad", "pos": "good"}
    rare = load(["neg", "pos"], ["x", "y", "z"], ["neu"], label_map={"neg": "z", "neu": "y", "pos": "x"})
    assert told(rare) == {"neu": "y"}, "not in train"
    by_default = load(["neg", "pos"], ["LABEL_0", "LABEL_1"], label_map={"neg": "LABEL_1", "pos": "LABEL_0"})
    assert told(by_default) == {"neg": "LABEL_1", "pos": "LABEL_0"}


def test_a_head_without_names_keeps_its_places_and_the_plan_says_so():
    loaded = load([0, 1, 2], LABELS)
    assert told(loaded) == dict(zip("012", LABELS, strict=True)), "its names are kept"
    loaded = load(["c", "a", "b"], LABELS)
    assert loaded.label_names == ("a", "b", "c")
    assert "no names" in loaded.naming
    assert "set 'label_names'" in loaded.naming
    assert load([0, 1, 2], LABELS, label_names=["c", "a", "b"]).label_names == ("c", "a", "b")


def test_f1_is_of_the_class_that_the_data_calls_one():
    loaded = load(
        [0, 1, 1], ["equivalent", "not_equivalent"], label_names=["not_equivalent", "equivalent"], metric="f1"
    )
    assert loaded.label_names == ("equivalent", "not_equivalent")
    assert loaded.splits["test"].positive == 0
    f1, golds, guess = metric_of(kind_of("classification"), "f1"), np.array([1, 1, 1, 0]), np.array([1, 1, 0, 0])
    assert f1.points(guess, golds) == f1.points(1 - guess, 1 - golds, positive=0) == pytest.approx(80)
    assert f1.points(guess, golds, positive=0) == pytest.approx(200 / 3)


def test_several_labels_and_tags_are_matched_alike():
    lists = [["b"], ["a", "c"], []]
    loaded = load(lists, ["c", "b", "a"], kind="multi_label")
    labels = {text[0].split()[1]: row.tolist() for text, row in zip(*_test_of(loaded), strict=True)}
    assert labels == {"0": [0, 1, 0], "1": [1, 0, 1], "2": [0, 0, 0]}
    spec = TaskSpec(kind="multi_label", text="s", label=["one", "two"])
    rows = [{"s": f"t {i}", "one": 1, "two": 0} for i in range(20)]
    task = Task("files", spec, lambda: {"train": rows, "test": rows[:2]})
    loaded = load_rows(task, Samples(), Head(("three", "Two", "one"), "model 'm'"))
    assert loaded.splits["test"].labels.tolist() == [[0, 0, 1]] * 2
    spec = TaskSpec(kind="token_classification", text="s", label="y")
    rows = [{"s": ["ada", "ran", str(i)], "y": ["B-PER", "O", "O"]} for i in range(20)]
    task = Task("files", spec, lambda: {"train": rows, "test": rows[:2]})
    loaded = load_rows(task, Samples(), Head(("O", "B-MISC", "B-PER"), "model 'm'"))
    assert loaded.label_names == ("O", "B-MISC", "B-PER")
    assert loaded.splits["test"].labels[0] == ("B-PER", "O", "O")
    with pytest.raises(DataError, match="'b-per' is no tag of an entity"):
        load_rows(task, Samples(), Head(("O", "b-per"), "model 'm'"))


def _test_of(loaded):
    split = loaded.splits["test"]
    return split.texts, split.labels


def test_a_score_has_one_output():
    spec = TaskSpec(kind="regression", text="s", label="y")
    rows = [{"s": f"t {i}", "y": i / 10} for i in range(20)]
    task = Task("files", spec, lambda: {"train": rows, "test": rows[:3]})
    assert load_rows(task, Samples(), Head(("likeness",), "model 'm'")).label_names == ()
    with pytest.raises(DataError, match="has a head for 2 labels, task 'files' has one score"):
        load_rows(task, Samples(), Head(("a", "b"), "model 'm'"))


@pytest.mark.parametrize("lists", [False, True])
def test_names_that_a_data_set_has_for_its_numbers_are_names(lists, tmp_path, monkeypatch):
    """As in conll2003 or a GLUE of one's own: numbers in the rows, names beside them, and a head in another order."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    names = ["O", "B-PER"] if lists else ["negative", "neutral", "positive"]
    label = datasets.ClassLabel(names=names)
    many = [[0, 1], [1, 0]] * 15 if lists else [0, 1, 2] * 10
    text = [["ada", str(i)] for i in range(30)] if lists else [f"text {i}" for i in range(30)]
    made = datasets.Dataset.from_dict(
        {"s": text, "y": many}, datasets.Features({"s": datasets.List(datasets.Value("string")) if lists
        else datasets.Value("string"), "y": datasets.List(label) if lists else label})
    )  # fmt: skip
    made.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: {"train": made, "test": made})
    kind = {"kind": "token_classification" if lists else "classification", "text": "s", "label": "y"}
    head = Head(("B-PER", "B-MISC", "O") if lists else ("POSITIVE", "NEUTRAL", "NEGATIVE"), "model 'm'")
    files = {"files": dict.fromkeys(("train", "test"), str(tmp_path / "rows.parquet"))}
    for source in ({"hub": "some/set"}, files):
        task = Task("files", TaskSpec(**kind, **source))
        assert load_rows(task, Samples()).label_names == tuple(names), "no head: its names are known"
        loaded = load_rows(task, Samples(), head)
        assert loaded.label_names == head.names
        split = loaded.splits["test"]
        for words, found in zip(split.texts, split.labels, strict=True):
            number = int(words[-1].split()[-1])
            if lists:
                assert list(found) == [names[one] for one in many[number]]
            else:
                assert head.names[found].lower() == names[many[number]]
        renamed = TaskSpec(**kind, **source, label_names=[f"B-{i}" for i in range(len(names))])
        assert load_rows(Task("files", renamed), Samples()).label_names[0] == "B-0", "label_names go before them"
