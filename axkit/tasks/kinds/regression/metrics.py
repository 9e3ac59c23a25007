"""Metrics of scores against scores: correlations in points, errors in the unit of the labels. Imports no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from axkit.tasks.kinds.metric import Metric

Floats = npt.NDArray[np.float64]
Names = tuple[str, ...]


def pearson(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Pearson correlation; 0 where either side does not vary."""
    p, t = predictions - predictions.mean(), golds - golds.mean()
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def _ranks(values: Any) -> Floats:
    """Ranks from 0, ties share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse], dtype=np.float64)


def spearman(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Spearman correlation: Pearson of the ranks."""
    return pearson(_ranks(predictions), _ranks(golds))


def r2(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Share of the golds' variance that is explained (coefficient of determination); 0 is what their mean explains.

    Golds that do not vary: 100 where all are met, else 0.
    """
    error, spread = float(np.square(predictions - golds).sum()), float(np.square(golds - golds.mean()).sum())
    if spread == 0:
        return 100.0 * float(error == 0)
    return 100.0 * (1 - error / spread)


def mae(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Mean absolute error."""
    return float(np.abs(predictions - golds).mean())


def mse(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Mean squared error."""
    return float(np.square(predictions - golds).mean())


def rmse(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Its square root."""
    return float(mse(predictions, golds) ** 0.5)


METRICS = (
    Metric("pearson", pearson, "Pearson correlation"),
    Metric("spearman", spearman, "Spearman correlation, of the ranks"),
    Metric("r2", r2, "share of the variance that is explained; below 0 where the mean would be better"),
    Metric("mae", mae, "mean absolute error, in the labels' unit", is_error=True),
    Metric("mse", mse, "mean squared error, in the square of the labels' unit", is_error=True),
    Metric("rmse", rmse, "its square root, in the labels' unit", is_error=True),
)
