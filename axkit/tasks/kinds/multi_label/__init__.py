"""Several labels: any number of them for each text or pair."""

from axkit.tasks.kinds.kind import Kind
from axkit.tasks.kinds.multi_label.metrics import METRICS

KIND = Kind(
    name="multi_label",
    head="SequenceClassification",
    rows="axkit.tasks.kinds.multi_label.rows:SetRows",
    compute="axkit.tasks.kinds.multi_label.compute:MultiLabel",
    metrics=METRICS,
    problem_type="multi_label_classification",
    several_columns=True,
)
