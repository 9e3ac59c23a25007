"""The final comparison of a run: dense against result, on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axkit.contract.body import Body
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT, Target
from axkit.measure import certainty
from axkit.measure import speed as measure
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.split import Evaluation, Split


@dataclass(frozen=True)
class Compared:
    """Two models on the test split.

    Attributes:
        figures: keys of the report's summary; each speed ends in ``_dense`` or ``_result``.
        dense: the dense model's answers.
        result: the result's.
    """

    figures: dict[str, Any]
    dense: Evaluation
    result: Evaluation


def compare(
    dense: Body,
    result: Body,
    dense_test: Split,
    test: Split,
    answers: Sequence[Evaluation],
    train_labels: Any,
    progress: Progress,
    target: Target = DEFAULT,
) -> Compared:
    """Quality with its uncertainty, size in values, and speed of two models.

    Args:
        dense: the model that the result is measured against.
        result: what the recipe made of it.
        dense_test: rows that no decision used, as the dense model's tokenizer splits them.
        test: the same rows for the result; each is timed on its own.
        answers: of the two, on these rows.
        train_labels: for the score of the most frequent label.
        progress: told what is going on.
        target: what they are timed for.
    """
    before, after = answers
    figures: dict[str, Any] = {
        **quality(test, before, after),
        "metric_majority": certainty.majority_score(test, train_labels),
        "parameters_dense": dense.values(),
        "parameters_result": result.values(),
    }
    models = {"dense": dense, "result": result}
    inputs = {
        name: measure.Inputs.of(rows, size=target.batch) for name, rows in zip(models, (dense_test, test), strict=True)
    }
    speeds = measure.speed(models, inputs, progress=progress, target=target)
    for name, speed in speeds.items():
        figures |= {_suffixed(key, name): value for key, value in speed.to_json().items()}
    ahead = speeds["result"].rounds_ahead(speeds["dense"])
    figures |= ahead.to_json()
    if target.kind != "cpu":
        for name, speed in speeds.items():
            figures |= {f"{key}_{name}": value for key, value in speed.of_the_host().items()}
    return Compared(figures, before, after)


def quality(test: Split, before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """What each scores, whether they differ, and what luck would score."""
    scores = certainty.resampled(test, before, after)
    dense, result = (certainty.interval(column) for column in scores.T)
    paired, luck = certainty.paired(test, before, after, scores), certainty.best_constant(test)
    return {
        "metric_name": before.metric,
        "metric_dense": before.score,
        "metric_dense_low": dense.low,
        "metric_dense_high": dense.high,
        "metric_result": after.score,
        "metric_result_low": result.low,
        "metric_result_high": result.high,
        "metric_change_low": paired.low,
        "metric_change_high": paired.high,
        "metric_resolution": paired.resolution,
        "p_value_paired": paired.p,
        "loss_test_dense_nats": before.loss,
        "loss_test_result_nats": after.loss,
        "metrics_dense": dict(before.scores),
        "metrics_result": dict(after.scores),
        "metric_constant": luck.evaluation.score,
        "metric_constant_answer": luck.answer,
        "metrics_constant": luck.scores,
        "p_value_constant": certainty.paired_p_value(test, luck.evaluation, after),
        "dense_answers_only": rows_of(test.spec.kind).luck.repeated(before.predictions, test.label_names),
        "result_answers_only": rows_of(test.spec.kind).luck.repeated(after.predictions, test.label_names),
    }


def beside_control(body: Body, test: Split, compared: Compared) -> dict[str, float]:
    """A control (``axkit/run/control.py``) on the test split, by itself and beside the two others.

    Args:
        body: what the same training without the cuts came to.
        test: the rows, as its tokenizer splits them.
        compared: the dense model and the result on the same rows.

    Returns:
        ``metric`` and its interval, the loss; ``dense_change`` and the like of it against the dense model,
        ``result_change`` and the like of the result against it (:class:`axkit.measure.certainty.Paired`).
    """
    found = test.evaluate(body)
    low, high = certainty.confidence_interval(test, found)
    pairs = {
        "dense": certainty.paired(test, compared.dense, found),
        "result": certainty.paired(test, found, compared.result),
    }
    return {
        "metric": found.score,
        "metric_low": low,
        "metric_high": high,
        "loss_test_nats": found.loss,
        **{f"{name}_{key}": value for name, pair in pairs.items() for key, value in pair.to_json().items()},
    }


def _suffixed(key: str, name: str) -> str:
    for end in ("_low", "_high"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}_{name}{end}"
    return f"{key}_{name}"
