"""Metrics of classes against classes, in points, as scikit-learn defines them. Imports no torch.

Averages over classes are over those that stand among the predictions or the golds; a class without any prediction, or
without any gold, counts 0 where its precision or recall would divide by that (``zero_division=0``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from axkit.tasks.kinds.metric import Metric

Names = tuple[str, ...]


@dataclass(frozen=True)
class Counts:
    """Of each class: how often it was predicted rightly, predicted, and there; float64, (classes,)."""

    hits: Any
    predicted: Any
    there: Any

    @classmethod
    def of_classes(cls, predictions: Any, golds: Any, names: Names = ()) -> Counts:
        """Of rows with one class each, 0, 1, ..."""
        size = max(len(names), int(max(predictions.max(initial=-1), golds.max(initial=-1))) + 1)
        parts = (golds[predictions == golds], predictions, golds)
        return cls(*(np.bincount(part, minlength=size).astype(np.float64) for part in parts))

    @property
    def stands(self) -> Any:
        """Classes that stand on either side."""
        return self.predicted + self.there > 0

    def precision(self) -> Any:
        """Share of its predictions that are right, in points."""
        return 100.0 * _share(self.hits, self.predicted)

    def recall(self) -> Any:
        """Share of its rows that are found, in points."""
        return 100.0 * _share(self.hits, self.there)

    def f1(self) -> Any:
        """Harmonic mean of the two, in points."""
        return 100.0 * _share(2 * self.hits, self.predicted + self.there)

    def macro(self, of_each: Any) -> float:
        """Mean over the classes that stand on either side; 0 where there is none."""
        return float(of_each[self.stands].mean()) if self.stands.any() else 0.0

    def weighted(self, of_each: Any) -> float:
        """Mean over classes, each as often as it is there."""
        return float((of_each * self.there).sum() / self.there.sum()) if self.there.sum() else 0.0


def _share(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def accuracy(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Share of rows that are right."""
    return 100.0 * float(np.mean(predictions == golds))


def balanced_accuracy(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Mean recall of the classes that are there."""
    found = Counts.of_classes(predictions, golds, names)
    return float(found.recall()[found.there > 0].mean()) if len(golds) else 0.0


def matthews(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004), as the covariance of one-hot vectors."""
    classes = np.union1d(predictions, golds)
    p = (predictions[:, None] == classes).astype(float)
    t = (golds[:, None] == classes).astype(float)
    p, t = p - p.mean(0), t - t.mean(0)
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def _of_one(predictions: Any, golds: Any) -> tuple[float, float, float]:
    return float(np.sum(predictions & golds)), float(np.sum(predictions)), float(np.sum(golds))


def f1(predictions: Any, golds: Any, names: Names = ()) -> float:
    """F1 of one class, as GLUE scores MRPC and QQP; arrays of True and False."""
    hits, predicted, there = _of_one(predictions, golds)
    return 200.0 * hits / (predicted + there) if predicted + there else 0.0


def precision(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Precision of one class; arrays of True and False."""
    hits, predicted, _ = _of_one(predictions, golds)
    return 100.0 * hits / predicted if predicted else 0.0


def recall(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Recall of one class; arrays of True and False."""
    hits, _, there = _of_one(predictions, golds)
    return 100.0 * hits / there if there else 0.0


def _averaged(what: str, average: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names) -> float:
        found = Counts.of_classes(predictions, golds, names)
        of_each = getattr(found, what)()
        return found.macro(of_each) if average == "macro" else found.weighted(of_each)

    told = "mean over classes" if average == "macro" else "mean over classes, each as often as it is there"
    return Metric(f"{what}_{average}", points, f"{what}, {told}")


def _of_each(what: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names) -> dict[str, float]:
        found = getattr(Counts.of_classes(predictions, golds, names), what)()
        return by_name(found, names)

    return Metric(f"{what}_per_class", points, f"{what} of each class", per_class=True)


def by_name(values: Any, names: Names) -> dict[str, float]:
    """Values of classes 0, 1, ... by their names; by their numbers, where they have none."""
    return {names[i] if i < len(names) else str(i): float(value) for i, value in enumerate(values)}


METRICS = (
    Metric("accuracy", accuracy, "share of rows that are right", is_share=True),
    Metric("matthews", matthews, "Matthews correlation, of any number of classes"),
    Metric("f1", f1, "F1 of the class that the data calls 1", one_class=True),
    Metric("precision", precision, "precision of the class that the data calls 1", one_class=True),
    Metric("recall", recall, "recall of the class that the data calls 1", one_class=True),
    Metric("balanced_accuracy", balanced_accuracy, "mean recall of the classes that are there"),
    *(_averaged(what, average) for what in ("f1", "precision", "recall") for average in ("macro", "weighted")),
    *(_of_each(what) for what in ("f1", "precision", "recall")),
)
