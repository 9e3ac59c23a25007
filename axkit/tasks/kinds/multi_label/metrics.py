"""Metrics of sets of labels, (rows, labels) of 0 and 1, in points, as scikit-learn defines them. Imports no torch.

Averages over labels are over all of them; one that nobody has and nobody predicts counts 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from axkit.tasks.kinds.classification.metrics import Counts, Names, by_name
from axkit.tasks.kinds.metric import Metric


def exact(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Share of rows all of whose labels are right."""
    return 100.0 * float(np.mean((predictions == golds).all(1)))


def counts_of(predictions: Any, golds: Any) -> Counts:
    """Of each label."""
    parts = (predictions & golds, predictions, golds)
    return Counts(*(part.sum(0).astype(np.float64) for part in parts))


def _whole(found: Counts) -> Counts:
    """All (row, label) pairs as one class."""
    return Counts(*(part.sum(keepdims=True) for part in (found.hits, found.predicted, found.there)))


def _averaged(what: str, average: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names) -> float:
        found = counts_of(predictions, golds)
        if average == "micro":
            return float(getattr(_whole(found), what)()[0])
        of_each = getattr(found, what)()
        return float(of_each.mean()) if average == "macro" else found.weighted(of_each)

    told = {
        "micro": "over all (row, label) pairs",
        "macro": "mean over labels",
        "weighted": "mean over labels, each as often as it is there",
    }
    return Metric(f"{what}_{average}", points, f"{what}, {told[average]}")


def _of_each(what: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names) -> dict[str, float]:
        return by_name(getattr(counts_of(predictions, golds), what)(), names)

    return Metric(f"{what}_per_class", points, f"{what} of each label", per_class=True)


METRICS = (
    _averaged("f1", "micro"),
    _averaged("f1", "macro"),
    Metric("exact", exact, "share of rows all of whose labels are right", is_share=True),
    _averaged("f1", "weighted"),
    *(_averaged(what, average) for what in ("precision", "recall") for average in ("micro", "macro", "weighted")),
    *(_of_each(what) for what in ("f1", "precision", "recall")),
)
