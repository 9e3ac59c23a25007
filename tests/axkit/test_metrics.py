"""Metrics by hand: the values that scikit-learn 1.5 and seqeval 1.2 give for the same rows, with zero_division=0."""

from __future__ import annotations

import numpy as np
import pytest

from axkit.ground import registry
from axkit.ground.errors import PluginError
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import kind_of, metric_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.luck import objects
from axkit.tasks.kinds.metric import Metric
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec, resolve
from axkit.tasks.split import Split
from axkit.testing import tiny_tokenizer

# of classes a, b, c, d: nobody has d, and nobody says c
GOLDS = np.array([0, 0, 0, 1, 1, 2, 0, 1])
SAID = np.array([0, 0, 1, 1, 0, 1, 0, 3])
NAMES = ("a", "b", "c", "d")
# hits 3 1 0 0, said 4 3 0 1, there 4 3 1 0
CLASSES = {
    "accuracy": 50.0,
    "balanced_accuracy": 100 * (3 / 4 + 1 / 3 + 0) / 3,
    "precision_macro": 100 * (3 / 4 + 1 / 3 + 0 + 0) / 4,
    "recall_macro": 100 * (3 / 4 + 1 / 3 + 0 + 0) / 4,
    "f1_macro": 100 * (3 / 4 + 1 / 3 + 0 + 0) / 4,
    "precision_weighted": 100 * (4 * 3 / 4 + 3 * 1 / 3 + 0) / 8,
    "recall_weighted": 50.0,
    "f1_weighted": 100 * (4 * 3 / 4 + 3 * 1 / 3 + 0) / 8,
    "precision": 100 / 3,
    "recall": 100 / 3,
    "f1": 100 / 3,
}


def points(kind, name, said, golds, names=(), **more):
    return metric_of(kind_of(kind), name).points(said, golds, names, **more)


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name):
    assert points("classification", name, SAID, GOLDS, NAMES) == pytest.approx(CLASSES[name])


def test_averages_are_over_classes_that_stand_on_either_side():
    golds, said = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    assert points("classification", "f1_macro", said, golds, NAMES) == pytest.approx(100 * (2 / 3 + 4 / 5) / 2)
    assert points("classification", "recall_macro", said, golds, NAMES) == pytest.approx(75)


def test_precision_and_recall_are_of_the_class_that_the_data_calls_one():
    golds, said = np.array([1, 1, 1, 0, 0]), np.array([1, 0, 0, 1, 0])
    assert points("classification", "precision", said, golds) == pytest.approx(50)
    assert points("classification", "recall", said, golds) == pytest.approx(100 / 3)
    assert points("classification", "recall", said, golds, positive=0) == pytest.approx(50)
    assert points("classification", "precision", np.zeros(5, int), golds) == 0, "nobody says it"


def test_each_class_by_name():
    found = points("classification", "recall_per_class", SAID, GOLDS, NAMES)
    assert found == pytest.approx({"a": 75, "b": 100 / 3, "c": 0, "d": 0})
    found = points("classification", "precision_per_class", SAID, GOLDS, NAMES)
    assert found == pytest.approx({"a": 75, "b": 100 / 3, "c": 0, "d": 0})


SETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]])
SAID_SETS = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])
# hits 2 1 0, said 2 2 0, there 3 1 0
LABELS = {
    "precision_micro": 75.0,
    "recall_micro": 75.0,
    "f1_micro": 75.0,
    "precision_macro": 100 * (1 + 1 / 2 + 0) / 3,
    "recall_macro": 100 * (2 / 3 + 1 + 0) / 3,
    "f1_macro": 100 * (4 / 5 + 2 / 3 + 0) / 3,
    "precision_weighted": 100 * (3 * 1 + 1 * 1 / 2) / 4,
    "recall_weighted": 75.0,
    "f1_weighted": 100 * (3 * 4 / 5 + 2 / 3) / 4,
    "exact": 50.0,
}


@pytest.mark.parametrize("name", LABELS)
def test_sets_of_labels(name):
    assert points("multi_label", name, SAID_SETS, SETS) == pytest.approx(LABELS[name])


def test_scores():
    golds, said = np.array([3.0, -0.5, 2.0, 7.0]), np.array([2.5, 0.0, 2.0, 8.0])
    expected = {"mae": 0.5, "mse": 0.375, "rmse": 0.375**0.5, "r2": 94.86081370449679}  # as scikit-learn's page on r2
    assert {name: points("regression", name, said, golds) for name in expected} == pytest.approx(expected)
    assert points("regression", "r2", np.ones(3), np.ones(3)) == 100
    assert points("regression", "r2", np.zeros(3), np.ones(3)) == 0


def test_entities():
    golds = objects([("B-A", "I-A", "O", "B-B"), ("O", "B-A")])
    said = objects([("B-A", "I-A", "O", "B-A"), ("B-B", "B-A")])
    names = ("O", "B-A", "I-A", "B-B", "B-C")
    # A: hits 2, said 3, there 2; B: hits 0, said 1, there 1
    expected = {
        "entity_precision": 50.0,
        "entity_recall": 200 / 3,
        "entity_f1": 400 / 7,
        "entity_f1_macro": 100 * (4 / 5 + 0) / 2,
    }
    assert {name: points("token_classification", name, said, golds) for name in expected} == pytest.approx(expected)
    each = points("token_classification", "entity_precision_per_type", said, golds, names)
    assert each == pytest.approx({"A": 200 / 3, "B": 0, "C": 0})


def spec(**fields):
    return TaskSpec(**({"kind": "classification", "text": "s", "label": "y"} | fields))


def test_a_table_holds_each_class_and_each_part():
    rows = SplitRows([("a film",)] * 8, GOLDS, NAMES, parts=["x"] * 4 + ["y"] * 4)
    split = Split(rows, spec(metric=["f1_macro", "recall_per_class"]), KINDS["classification"], tiny_tokenizer(), 60)
    found = split.scores(SAID)
    assert found["f1_macro"] == split.score(SAID, GOLDS) == pytest.approx(CLASSES["f1_macro"])
    assert found["recall_per_class of a"] == pytest.approx(75)
    assert found["recall_per_class of b on y"] == 0
    assert len(found) == 3 * (1 + 4)


def test_a_report_tells_all_metrics_where_there_are_several():
    from axkit.measure.figures import Interval
    from axkit.report.tables import metric_lines
    from axkit.run.quality import Change, Constant, Quality, Score

    def quality(*names):
        dense, result = ({name: value + len(name) for name in names} for value in (50.0, 40.0))
        interval = Interval(0.0, 1.0)
        luck = Constant(1.0, "no", dict.fromkeys(names, 5.0), 0.5)
        parts = (Score(some[names[0]], interval, 0.1, some) for some in (dense, result))
        return Quality(names[0], *parts, Change(0.5, interval, 1.0), luck, 3.0)

    assert metric_lines(quality("f1")) == []
    lines = metric_lines(quality("f1", "recall_per_class of a"))
    assert lines[3] == "| f1 | 52.00 | 42.00 | -10.00 | 5.00 |"
    assert lines[4].startswith("| recall_per_class of a | 71.00 | 61.00 |")


def test_a_kind_tells_its_metrics(run):
    code, out, _ = run("kinds", "regression")
    assert code == 0
    told = {line.split()[1]: line.split()[3] for line in out.splitlines() if line.startswith("│")}
    assert told == {"pearson": "yes", "spearman": "yes", "r2": "yes", "mae": "no", "mse": "no", "rmse": "no"}
    assert "token_classification" in run("kinds")[1]
    code, _, err = run("kinds", "regresion")
    assert (code, "did you mean 'regression'?" in err) == (2, True)


def test_the_best_constant_has_the_least_error():
    from axkit.measure import certainty

    golds = np.array([0.0, 0.0, 0.0, 10.0])
    split = Split(
        SplitRows([("a film",)] * 4, golds),
        spec(kind="regression", metric=["r2", "mae", "mse"]),
        KINDS["regression"],
        tiny_tokenizer(),
        60,
    )
    found = certainty.best_constant(split)
    assert found.scores == pytest.approx({"r2": 0, "mae": 2.5, "mse": 18.75})


@pytest.mark.parametrize("kind", ["classification", "multi_label"])
def test_no_constant_scores_more_than_those_that_are_tried(kind):
    draw = np.random.default_rng(0)
    if kind == "classification":
        golds = draw.choice(3, 30, p=[0.5, 0.3, 0.2])
        every = [np.full(30, one) for one in range(3)]
    else:
        golds = (draw.random((30, 3)) < [0.6, 0.3, 0.1]).astype(int)
        every = [np.tile([bits >> i & 1 for i in range(3)], (30, 1)) for bits in range(8)]
    tried = [one.predictions for one in rows_of(kind).luck.constants(golds, NAMES[:3])]
    for metric in kind_of(kind).metrics:
        if metric.decides:
            best, wanted = (max(metric.points(one, golds, NAMES[:3]) for one in some) for some in (tried, every))
            assert best == pytest.approx(wanted), metric.name


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"metric": "f1_macr"}, "did you mean 'f1_macro'"),
        ({"metric": ["f1_per_class", "f1"]}, "has metric 'f1_per_class' first, on which nothing can be decided"),
        ({"kind": "regression", "metric": "mae"}, "put one before it that is one number"),
        ({"kind": "clasification"}, "names no kind of task; did you mean 'classification'"),
        ({"kind": "regression", "metric": ["pearson", "f1_macro"]}, r"has metric 'f1_macro'; there are: .*mae, mse, "),
    ],
)
def test_what_cannot_decide_or_is_not_there_is_a_sentence(fields, sentence):
    from axkit.ground.errors import RecipeError

    task = {"kind": "classification", "text": "s", "label": "y", "hub": "x"} | fields
    with pytest.raises(RecipeError, match=sentence):
        resolve(task, lambda _: "here")


def fails(said, golds, names):
    raise ValueError("no such rows")


STRANGERS = {
    "fine": Metric("fine", lambda said, golds, names: 7.0, kinds=("classification",)),
    "fails": Metric("fails", fails, kinds=("classification",)),
    "not_a_number": Metric("not_a_number", lambda said, golds, names: float("nan"), kinds=("classification",)),
    "a_word": Metric("a_word", lambda said, golds, names: "good", kinds=("classification",)),
    "each": Metric("each", lambda said, golds, names: {"a": 1.0}, kinds=("classification",)),
    "misfit": Metric("misfit", lambda said, golds, names: 7.0, kinds=("regression",)),
    "other_name": Metric("another", lambda said, golds, names: 7.0, kinds=("classification",)),
    "no_metric": object(),
}


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    import sys
    import types

    info = tmp_path / "axkit_odd-1.dist-info"
    info.mkdir()
    points = [f"{name} = odd_metrics:{name}" for name in STRANGERS]
    (info / "entry_points.txt").write_text("\n".join(["[axkit.metrics]", *points]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "odd_metrics", types.SimpleNamespace(**STRANGERS))
    registry.forget()
    yield
    monkeypatch.undo()
    registry.forget()


def test_a_strangers_metric_decides(strangers):
    split = Split(
        SplitRows([("a film",)] * 8, GOLDS, NAMES), spec(metric="fine"), KINDS["classification"], tiny_tokenizer(), 60
    )
    assert split.score(SAID, GOLDS) == 7.0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fails", r"metric 'fails' of axkit_odd 1 failed on the rows \(ValueError: no such rows\)"),
        ("not_a_number", "metric 'not_a_number' of axkit_odd 1 gave nan, which is no finite number"),
        ("a_word", "gave 'good', which is no finite number"),
        ("each", "gave {'a': 1.0}, not one number"),
        ("misfit", "metric 'misfit' of axkit_odd 1 is for regression, not for classification"),
        ("other_name", "calls itself 'another'"),
        ("no_metric", "is <object object at .* at odd_metrics:no_metric, not an axkit Metric"),
    ],
)
def test_a_strangers_metric_that_is_wrong_is_a_sentence(name, sentence, strangers):
    with pytest.raises(PluginError, match=sentence):
        metric_of(kind_of("classification"), name).points(SAID, GOLDS, NAMES)
