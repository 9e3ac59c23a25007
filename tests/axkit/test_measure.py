from __future__ import annotations

import numpy as np
import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.ground import stopwatch
from axkit.measure import certainty
from axkit.measure import speed as measure
from axkit.measure.figures import Rounds
from axkit.measure.inputs import Inputs
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Evaluation, Split
from axkit.testing import tiny_split, tiny_subject, tiny_tokenizer

SPLIT = tiny_split(200)


def evaluation(predictions):
    score = SPLIT.score(predictions, SPLIT.labels)
    return Evaluation(np.zeros(len(predictions)), predictions, SPLIT.labels, score, "accuracy")


def flipped(share, seed=0):
    flip = np.random.default_rng(seed).random(200) < share
    return np.where(flip, 1 - SPLIT.labels, SPLIT.labels)


def test_interval_holds_the_score_and_is_about_as_wide_as_the_normal_one():
    found = evaluation(flipped(0.2))
    low, high = certainty.confidence_interval(SPLIT, found)
    assert low < found.score < high
    p = found.score / 100
    assert high - low == pytest.approx(2 * 1.96 * 100 * (p * (1 - p) / 200) ** 0.5, rel=0.15)


def test_paired_p():
    good, same, bad = evaluation(flipped(0.1)), evaluation(flipped(0.1)), evaluation(flipped(0.4, 1))
    assert certainty.paired_p_value(SPLIT, good, same) == 1.0
    assert certainty.paired_p_value(SPLIT, good, bad) < 0.01
    assert certainty.paired_p_value(SPLIT, good, evaluation(flipped(0.12, 5))) > 0.2


def test_a_model_that_does_nothing_is_faster_than_one_that_sleeps():
    import time

    class Fast(torch.nn.Module):
        def forward(self, **_):
            return None

    class Slow(torch.nn.Module):
        def forward(self, **_):
            time.sleep(0.002)

    speeds = measure.speed({"fast": Fast(), "slow": Slow()}, Inputs.of(SPLIT), rounds=3)
    assert speeds["slow"].latency_b1_ms_p50 >= 2
    assert speeds["fast"].throughput_b32_per_s > speeds["slow"].throughput_b32_per_s
    assert speeds["fast"].rounds_ahead(speeds["slow"]) == Rounds(3, 3, 3)
    assert speeds["slow"].rounds_ahead(speeds["fast"]) == Rounds(3, 0, 0)
    one = speeds["slow"]
    assert set(one.to_json()) == {name for name in vars(one) if not name.startswith("rounds")}
    assert one.throughput_b32_per_s_low <= one.throughput_b32_per_s <= one.throughput_b32_per_s_high


def test_metrics_against_known_values():
    labels, predictions = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    metrics = {one.name: one.points for one in kind_of("classification").metrics}
    scores = {one.name: one.points for one in kind_of("regression").metrics}
    assert metrics["accuracy"](predictions, labels) == pytest.approx(60)
    assert metrics["matthews"](predictions, labels) == pytest.approx(100 / 6)  # (2*1 - 1*1) / sqrt(3*3*2*2)
    assert metrics["f1"](predictions, labels) == pytest.approx(200 / 3)
    assert metrics["matthews"](np.zeros(5), labels) == 0
    x, y = np.array([1.0, 2.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0, 9.0])
    assert scores["pearson"](x, y) == pytest.approx(100 * np.corrcoef(x, y)[0, 1])
    assert scores["spearman"](x, y**3) == pytest.approx(94.8683, abs=1e-3)


def test_regression_losses_are_per_sample():
    kind = KINDS["regression"]
    losses = kind.losses(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0]))
    assert losses.tolist() == [1.0, 4.0]


def test_a_row_of_several_labels_is_swapped_as_a_whole():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (60, 3))
    rows = SplitRows([("the film",)] * 60, labels, ("a", "b", "c"))
    spec = TaskSpec(kind="multi_label", text="s", label="y", label_names=["a", "b", "c"])
    split = Split(rows, spec, KINDS["multi_label"], tiny_tokenizer(), 60)

    def made(predictions):
        return Evaluation(np.zeros(60), predictions, labels, split.score(predictions, labels), "f1_micro")

    assert certainty.paired_p_value(split, made(labels), made(labels)) == 1.0
    assert certainty.paired_p_value(split, made(labels), made(1 - labels)) < 0.01
    low, high = certainty.confidence_interval(split, made(labels))
    assert low == high == 100


def test_majority():
    train = np.array([1, 1, 0])
    assert certainty.majority_score(SPLIT, train) == pytest.approx(100 * float((SPLIT.labels == 1).mean()))


def test_single_inputs_come_one_behind_the_other_and_unlike_runtimes_rest_between(monkeypatch):
    """As a server has them: a small model does not find the cache full of the large one's weights at every input."""
    order, rests = [], []
    monkeypatch.setattr(measure.time, "sleep", rests.append)
    subject, inputs = tiny_subject(family_of("bert")), Inputs.of(tiny_split(40))
    models = {name: subject.copy().module for name in ("dense", "small")}

    def taken(_, module, args, kwargs):
        order.append((next(name for name, one in models.items() if one is module), len(kwargs["input_ids"])))
        return stopwatch.Taken(1e-3, 1e-3)

    monkeypatch.setattr(stopwatch, "taken", taken)
    measure.speed(models, inputs, rounds=2)
    single = [name for name, rows in order if rows == 1]
    assert single == ["dense"] * 16 + ["small"] * 16 + ["small"] * 16 + ["dense"] * 16
    assert set(rests) == {0.0}
    assert measure.settle([subject.body.runtime, "onnxruntime"]) > 0
    assert measure.settle([subject.body.runtime, "torch"]) == 0
