"""Whether the labels of the data are the model's outputs in the order that was taken. Imports no torch."""

from __future__ import annotations

import numpy as np

from axkit.run.planning import Plan

_SURE = 2.0  # standard errors of a share


def order_doubt(plan: Plan, points: float) -> str | None:
    """A sentence where a model that was brought is right less often than its most frequent label would be.

    A model that was trained for these labels beats that; one whose outputs stand for other labels does not.

    Args:
        plan: of its model and rows.
        points: what it has on the search split.
    """
    labels = np.asarray(plan.rows.splits["search"].labels)
    if plan.task.spec.metric_name != "accuracy" or labels.ndim != 1 or labels.dtype.kind != "i" or not len(labels):
        return None
    most, right = float(np.bincount(labels).max()) / len(labels), points / 100
    if right >= most - _SURE * (most * (1 - most) / len(labels)) ** 0.5:
        return None
    return (
        f"as it came the model is right in {100 * right:.1f} % of the search rows, and one label alone stands in "
        f"{100 * most:.1f} %: its outputs may stand for the labels in another order; set id2label in its config.json, "
        f"or give a task's YAML file as DATA, with label_names in the order of its outputs"
    )
