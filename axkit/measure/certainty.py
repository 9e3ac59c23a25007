"""What a score on some rows is worth: intervals, paired tests, and what an answer that never changes would score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from axkit.measure.figures import FEWEST
from axkit.measure.figures import Interval as Interval
from axkit.measure.figures import Paired as Paired
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.split import Evaluation, Split

RESAMPLES = 2000


@dataclass(frozen=True)
class Luck:
    """The best that one and the same answer to every row scores on some rows.

    Attributes:
        answer: in words.
        evaluation: its predictions, and its score by the task's metric.
        scores: by every metric of the task, in points, each of the answer that is the best by it.
    """

    answer: str
    evaluation: Evaluation
    scores: dict[str, float]


def resampled(split: Split, *evaluations: Evaluation, seed: int = 0) -> npt.NDArray[np.float64]:
    """Scores of models on the same bootstrap samples of rows, (RESAMPLES, models)."""
    random = np.random.default_rng(seed)
    n = len(evaluations[0].labels)
    scores = np.zeros((RESAMPLES, len(evaluations)))
    for turn in range(RESAMPLES):
        rows = random.integers(0, n, n)
        scores[turn] = [split.score(one.predictions[rows], one.labels[rows]) for one in evaluations]
    return scores


def interval(scores: Any) -> Interval:
    """95 % percentile interval of the scores of all resamples, (RESAMPLES,)."""
    low, high = np.percentile(scores, [2.5, 97.5])
    return Interval(float(low), float(high))


def confidence_interval(split: Split, evaluation: Evaluation, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap over rows, in points."""
    found = interval(resampled(split, evaluation, seed=seed))
    return found.low, found.high


def paired(split: Split, before: Evaluation, after: Evaluation, scores: Any = None, seed: int = 0) -> Paired:
    """Compare two models on the same rows.

    Args:
        split: the rows.
        before: one model's answers.
        after: the other's.
        scores: of both on the same ``resampled`` rows, where they are at hand.
        seed: of resampling and test.
    """
    scores = resampled(split, before, after, seed=seed) if scores is None else scores
    spread = interval(scores[:, 1] - scores[:, 0])
    return Paired(
        change=after.score - before.score,
        low=spread.low,
        high=spread.high,
        p=paired_p_value(split, before, after, seed),
        resolution=max((spread.high - spread.low) / 2, 100 * FEWEST / len(before.labels)),
    )


def paired_p_value(split: Split, one: Evaluation, other: Evaluation, seed: int = 0) -> float:
    """Two-sided p of the difference of two models on the same rows.

    A permutation test: under the null hypothesis it does not matter which model gave which of a row's two
    predictions (Noreen 1989). Exact ties count as at least as extreme, so identical models give 1.
    """
    random = np.random.default_rng(seed)
    observed = abs(one.score - other.score)
    hits = 0
    for _ in range(RESAMPLES):
        swap = random.random(len(one.labels)) < 0.5
        if one.predictions.ndim > 1:  # several labels a row: a row is swapped as a whole
            swap = swap[:, None]
        a = np.where(swap, other.predictions, one.predictions)
        b = np.where(swap, one.predictions, other.predictions)
        hits += abs(split.score(a, one.labels) - split.score(b, one.labels)) >= observed - 1e-9
    return (hits + 1) / (RESAMPLES + 1)


def drop_bound(split: Split, before: Evaluation, after: Evaluation, confidence: float, seed: int = 0) -> float:
    """Upper bound of the points lost, one-sided at ``confidence`` (0..1): paired percentile bootstrap over rows."""
    scores = resampled(split, before, after, seed=seed)
    return float(np.percentile(scores[:, 0] - scores[:, 1], 100 * confidence))


def best_constant(split: Split) -> Luck:
    """What a model scores on these rows, at best, that gives all of them the same answer."""
    constants = rows_of(split.spec.kind).luck.constants(split.golds, split.label_names)
    found = [(one, split.scores(one.predictions)) for one in constants]
    metric = next(iter(found[0][1]))  # the first decides
    best, scores = max(found, key=lambda one: one[1][metric])
    evaluation = Evaluation(np.zeros(0), best.predictions, split.golds, scores[metric], metric, scores)
    return Luck(best.answer, evaluation, {name: split.best(name, [each[name] for _, each in found]) for name in scores})


def majority_score(split: Split, train_labels: Any) -> float:
    """The metric of a model that has only seen the training labels, in points."""
    return split.score(rows_of(split.spec.kind).luck.majority(train_labels, split.golds), split.golds)
