"""The final comparison of a run: dense against result, on the test split."""

from __future__ import annotations

from typing import Any

from axkit import measure
from axkit.progress import Progress
from axkit.tasks.split import Split


def compare(
    dense: Any, result: Any, dense_test: Split, test: Split, train_labels: Any, progress: Progress
) -> dict[str, Any]:
    """Quality with its uncertainty, size in values, and speed of two models.

    Args:
        dense: the model that the result is measured against.
        result: what the recipe made of it.
        dense_test: rows that no decision used, as the dense model's tokenizer splits them.
        test: the same rows for the result; both are timed on these.
        train_labels: for the score of the most frequent label.
        progress: told what is going on.

    Returns:
        Keys of the report's summary; each speed ends in ``_dense`` or ``_result``.
    """
    before = dense_test.evaluate(dense, progress=progress)
    after = test.evaluate(result, progress=progress)
    low, high = measure.confidence_interval(test, after)
    dense_low, dense_high = measure.confidence_interval(test, before)
    summary: dict[str, Any] = {
        "metric_name": before.metric,
        "metric_dense": before.score,
        "metric_dense_low": dense_low,
        "metric_dense_high": dense_high,
        "metric_result": after.score,
        "metric_result_low": low,
        "metric_result_high": high,
        "loss_test_dense_nats": before.loss,
        "loss_test_result_nats": after.loss,
        "p_value_paired": measure.paired_p_value(test, before, after),
        "metrics_dense": dict(before.scores),
        "metrics_result": dict(after.scores),
        "metric_majority": measure.majority_score(test, train_labels),
        "parameters_dense": measure.count_values(dense),
        "parameters_result": measure.count_values(result),
    }
    models = {"dense": dense, "result": result}
    for name, speed in measure.speed(models, measure.Inputs.of(test), progress=progress).items():
        summary |= {_suffixed(key, name): value for key, value in speed.to_json().items()}
    return summary


def _suffixed(key: str, name: str) -> str:
    for end in ("_low", "_high"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}_{name}{end}"
    return f"{key}_{name}"
