"""A gain that chance or a constant explains is none, in every text alike."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import records

from axkit.measure.certainty import best_constant, paired
from axkit.report.tables import summary_rows
from axkit.report.words import headline, how_measured
from axkit.run.comparing import quality
from axkit.run.verdict import change_cell, judge, mark, sentences, speed_is_sure
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import kind_of, metric_of
from axkit.tasks.kinds.luck import objects
from axkit.tasks.split import Evaluation

SIZES = {
    "bytes_dense": 4e6,
    "bytes_result": 1e6,
    "parameters_dense": 1e6,
    "parameters_result": 1e6,
    "latency_b1_ms_p50_dense": 4.0,
    "latency_b1_ms_p50_result": 2.0,
    "latency_b1_ms_p90_dense": 4.0,
    "latency_b1_ms_p90_result": 2.0,
    "throughput_b32_per_s_dense": 6.4,
    "throughput_b32_per_s_result": 12.8,
}
ONES = dict.fromkeys(SIZES, 1.0)


class Rows:
    """A split without its texts: all that scores, intervals and constants look at."""

    def __init__(self, golds, kind="classification", metric=None, names=("0", "1")):
        self.metric = metric_of(kind_of(kind), metric or kind_of(kind).metrics[0].name)
        metric = self.metric.name
        self.spec = SimpleNamespace(kind=kind, metric_name=metric, metric_names=(metric,), is_unlabelled=False)
        self.golds, self.label_names = golds, tuple(names)

    def score(self, predictions, golds):
        return self.metric.points(predictions, golds)

    def scores(self, predictions):
        return {self.metric.name: self.score(predictions, self.golds)}

    def best(self, name, values):
        return max(values)

    def answered(self, predictions):
        score = self.score(predictions, self.golds)
        return Evaluation(np.ones(len(self.golds)), predictions, self.golds, score, self.spec.metric_name)

    def summary(self, before, after, **more):
        found = quality(self, self.answered(before), self.answered(after), majority=0.0)
        rows = {"train": 0, "search": 0, "test": len(self.golds)}
        return records.summary(**found.to_json(), rows=rows, **SIZES | more)


def judged(summary):
    return judge(summary.quality, summary.baseline)


def flipped(golds, wrong, seed=0):
    """As many wrong answers."""
    made = golds.copy()
    rows = np.random.default_rng(seed).permutation(len(golds))[:wrong]
    made[rows] = 1 - made[rows]
    return made


WNLI = np.array([0] * 40 + [1] * 31)
LARGE = np.arange(1000) % 2


def test_a_result_that_says_the_same_to_every_row_has_gained_nothing():
    summary = Rows(WNLI).summary(flipped(WNLI, 46), np.zeros_like(WNLI))
    luck = summary.quality.constant
    assert (luck.points, luck.answer) == (pytest.approx(56.338, abs=1e-3), "'0'")
    assert summary.quality.change.p < 0.05, "the premise: a paired test alone would call it a gain"
    assert judged(summary) == "constant"
    said = headline(summary)
    assert "Test accuracy 35.21 -> 56.34, which is no gain" in said
    assert "one and the same answer to every row, '0', scores 56.34, and the result is no better: do not use it" in said
    assert "The result gives all 71 test rows the same answer: '0'." in said
    assert "+21" not in said
    assert change_cell(summary) == "+21.13 (constant)"
    assert summary_rows(summary)[0][3] == "+21.13 (constant)"


def test_a_result_a_little_above_the_constant_is_not_above_it():
    almost = np.zeros_like(WNLI)
    almost[-1] = 1
    summary = Rows(WNLI).summary(flipped(WNLI, 46), almost)
    assert summary.quality.result.points > summary.quality.constant.points
    assert judged(summary) == "constant"
    assert "not above that by more than chance (paired p = 1.000)" in headline(summary)


def test_a_gain_within_chance_is_told_as_none_with_what_the_rows_can_tell():
    summary = Rows(WNLI).summary(flipped(WNLI, 12), flipped(WNLI, 9, 1))
    assert summary.quality.moved > 0
    assert judged(summary) == "chance"
    said = headline(summary)
    assert "no difference that chance would not explain (95 % interval -" in said
    assert "+4.23 points" not in said
    assert (
        f"These 71 test rows can tell differences from about {summary.quality.change.resolution:.2f} points on" in said
    )
    assert summary.quality.change.resolution >= 600 / 71
    assert change_cell(summary) == "+4.23 (chance)"


def test_gains_losses_and_nothing():
    rows, good, better = Rows(LARGE), flipped(LARGE, 150), LARGE.copy()
    gain, loss, same = rows.summary(good, better), rows.summary(better, good), rows.summary(good, good)
    assert [judged(one) for one in (gain, loss, same)] == ["gain", "loss", "same"]
    assert "Test accuracy 85.00 -> 100.00: +15.00 points (95 % interval +12" in headline(gain)
    assert "paired p < 0.001" in headline(gain)
    assert "-15.00 points" in headline(loss)
    assert "85.00 -> 85.00: no difference." in headline(same)
    assert [change_cell(one) for one in (gain, loss, same)] == ["+15.00", "-15.00", "+0.00"]


def test_either_the_test_or_the_interval_is_enough_to_doubt():
    gain = Rows(LARGE).summary(flipped(LARGE, 150), LARGE)
    assert judged(records.changed(gain, p_value_paired=0.05)) == "chance"
    assert judged(records.changed(gain, metric_change_low=0.0)) == "chance"


def test_the_interval_of_a_difference_is_of_the_same_rows():
    """Two models that err on the same rows differ by less than their own intervals are wide."""
    rows = Rows(LARGE)
    good = flipped(LARGE, 150)
    better = good.copy()
    better[np.flatnonzero(good != LARGE)[:20]] = LARGE[good != LARGE][:20]
    found = paired(rows, rows.answered(good), rows.answered(better))
    assert found.change == pytest.approx(2.0)
    assert 1.0 < found.low < 2.0 < found.high < 3.0
    assert found.p < 0.01
    assert found.resolution == pytest.approx((found.high - found.low) / 2)


def test_a_loss_down_to_the_constant_is_told():
    said = headline(Rows(LARGE).summary(LARGE, np.ones_like(LARGE)))
    assert "-50.00 points" in said
    assert "The result gives all 1000 test rows the same answer: '1'." in said
    assert "the result is no better: do not use it" in said


def test_a_dense_model_that_nobody_trained_is_nothing_to_gain_on():
    summary = Rows(LARGE).summary(flipped(LARGE, 500), LARGE, dense_is_untrained=True)
    assert "The dense model was never trained for the task: that is no gain." in headline(summary)
    assert change_cell(summary) == "+50.00 (dense untrained)"


def test_a_recipe_that_only_trains_compares_a_model_with_itself():
    summary = Rows(LARGE).summary(LARGE, LARGE, dense_is_result=True)
    assert headline(summary) == "Test accuracy 100.00. The recipe only trains: the result is the dense model."
    assert "Nothing became" not in headline(records.changed(summary, **ONES))


def test_nothing_gained_at_all():
    same = Rows(LARGE).summary(LARGE, LARGE)
    assert "Nothing became smaller or faster" in headline(records.changed(same, **ONES))
    lower = {"loss_test_dense_nats": 0.5, "loss_test_result_nats": 0.465}
    assert "The loss on the test split fell by 7.00 %." in headline(records.changed(same, **ONES | lower))
    said = headline(records.changed(same, bytes_result=4.01e6, throughput_b32_per_s_result=6.39))
    assert said.startswith("As large on disk, the same throughput at batch 32, 2.00x quicker on one input.")


@pytest.mark.parametrize(("ahead", "sure"), [(9, True), (8, True), (7, False), (5, False), (2, False), (1, True)])
def test_a_speed_within_the_noise_is_none(ahead, sure):
    timed = {"rounds": 9, "rounds_ahead_b1": 9, "rounds_ahead_b32": ahead}
    summary = Rows(LARGE).summary(LARGE, LARGE, **timed)
    assert speed_is_sure(summary.speeds.rounds, "b32") == sure
    assert ("2.00x the throughput at batch 32" in headline(summary)) == sure
    assert ("as fast within the noise of this machine at batch 32" in headline(summary)) != sure
    assert "2.00x quicker on one input" in headline(summary)
    cells = {name: cell for name, *_, cell in summary_rows(summary)}
    assert cells["throughput at batch 32, inputs/s"] == ("2.00x" if sure else "2.00x (noise)")
    assert cells["latency at batch 1, ms (median)"] == "2.00x"


def test_a_report_of_an_earlier_axkit_is_judged_by_what_it_has():
    assert judge(records.quality(p_value_paired=0.3)) == "chance"
    assert judge(records.quality(p_value_paired=0.01)) == "gain"
    assert judge(records.quality(p_value_paired=0.01, metric_majority=81.7)) == "constant"
    assert "train's most frequent label scores 81.70" in sentences(records.summary(metric_majority=81.7))[0]
    assert "told apart" not in how_measured(records.summary())


def test_marks_of_several_runs():
    assert mark(["gain", "loss", "same"]) == ""
    assert mark(["gain", "chance", "chance"]) == " (chance: 2 of 3)"
    assert mark(["constant", "chance"]) == " (constant: 1 of 2, chance: 1 of 2)"


TAGS = objects([("O", "B-a", "O"), ("O", "O"), ("B-a",)])
ANSWERS = objects([("yes",), ("no",), ("yes", "Yes!"), ()])
SETS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("kind", "metric", "golds", "names", "answer", "score"),
    [
        ("classification", "accuracy", np.array([2, 2, 1]), ("a", "b", "c"), "'c'", 200 / 3),
        ("classification", "f1", np.array([0, 0, 0, 1]), ("a", "b"), "'b'", 40.0),
        ("classification", "matthews", np.array([0, 0, 1]), ("a", "b"), "'a'", 0.0),
        ("image_classification", "accuracy", np.array([0, 1, 1]), ("a", "b"), "'b'", 200 / 3),
        ("regression", "pearson", np.array([0.0, 1.0, 5.0]), (), "one and the same score", 0.0),
        ("multi_label", "f1_micro", SETS, ("a", "b", "c"), "'a', 'b'", 100 * 2 * 5 / (10 + 5)),
        ("multi_label", "f1_macro", SETS, ("a", "b", "c"), "all 3 labels", (75.0 + 400 / 7) / 3),
        ("multi_label", "exact", SETS, ("a", "b", "c"), "'a'", 40.0),
        ("token_classification", "token_accuracy", TAGS, ("O", "B-a"), "'O' for every word", 400 / 6),
        ("token_classification", "entity_f1", TAGS, ("O", "B-a"), "'B-a' for every word", 100 * 2 * 2 / (6 + 2)),
        ("question_answering", "exact_match", ANSWERS, (), "'yes'", 50.0),
        ("question_answering", "f1", objects([(), (), ("no",)]), (), "no answer", 200 / 3),
    ],
)
def test_the_best_constant_of_each_kind_of_task(kind, metric, golds, names, answer, score):
    luck = best_constant(Rows(golds, kind, metric, names))
    assert (luck.answer, luck.evaluation.score) == (answer, pytest.approx(score))
    assert luck.scores[metric] == luck.evaluation.score


@pytest.mark.parametrize(
    ("kind", "same", "other", "answer"),
    [
        ("classification", np.array([1, 1, 1]), np.array([1, 0, 1]), "'1'"),
        ("regression", np.array([0.3, 0.3 + 1e-9]), np.array([0.3, 0.31]), "one and the same score"),
        ("multi_label", np.array([[0, 0], [0, 0]]), np.array([[0, 0], [0, 1]]), "no label"),
        ("token_classification", objects([("O",), ("O", "O")]), TAGS, "'O' for every word"),
        ("question_answering", objects(["", ""]), objects(["", "a"]), "no answer"),
    ],
)
def test_one_and_the_same_answer_is_seen(kind, same, other, answer):
    assert rows_of(kind).luck.repeated(same, ("0", "1")) == answer
    assert rows_of(kind).luck.repeated(other, ("0", "1")) == ""
    assert rows_of(kind).luck.repeated(same[:1], ("0", "1")) == "", "of one row nothing can be said"
