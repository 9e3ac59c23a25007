"""Regression: one score for each text or pair."""

from axkit.tasks.kinds.kind import Kind
from axkit.tasks.kinds.regression.metrics import METRICS

KIND = Kind(
    name="regression",
    head="SequenceClassification",
    rows="axkit.tasks.kinds.regression.rows:ScoreRows",
    compute="axkit.tasks.kinds.regression.compute:Regression",
    metrics=METRICS,
    problem_type="regression",
    names_outputs=False,
)
