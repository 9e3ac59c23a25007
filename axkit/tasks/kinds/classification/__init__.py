"""Classification: one label of several for each text or pair."""

from axkit.tasks.kinds.classification.metrics import METRICS
from axkit.tasks.kinds.kind import Kind

KIND = Kind(
    name="classification",
    head="SequenceClassification",
    rows="axkit.tasks.kinds.classification.rows:ClassRows",
    compute="axkit.tasks.kinds.classification.compute:Classification",
    metrics=METRICS,
    problem_type="single_label_classification",
)
