"""Ordered classes, such as stars: a kind of task for axkit."""

import numpy as np

from axkit.kit.kinds import Kind, Metric


def accuracy(predictions, golds, names):
    """Share of rows that are right."""
    return 100.0 * float(np.mean(predictions == golds))


def within_one(predictions, golds, names):
    """Share of rows that are right, or one class beside it."""
    return 100.0 * float(np.mean(np.abs(predictions - golds) <= 1))


def steps_off(predictions, golds, names):
    """Classes between answer and gold, on average."""
    return float(np.mean(np.abs(predictions - golds)))


KIND = Kind(
    name="ordinal",
    head="SequenceClassification",
    rows="axkit_ordinal.rows:OrdinalRows",
    compute="axkit_ordinal.compute:Ordinal",  # imported when there is something to compute: planning needs no torch
    metrics=(
        Metric("accuracy", accuracy, "share of rows that are right"),
        Metric("within_one", within_one, "share of rows that are right, or one class beside it"),
        Metric("steps_off", steps_off, "classes between answer and gold, on average", is_error=True),
    ),
    problem_type="multi_label_classification",  # whose loss is ours: each threshold is a yes or no
    names_outputs=False,  # the outputs are thresholds between classes
)
