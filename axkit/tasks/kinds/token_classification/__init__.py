"""Token classification: a tag for each word."""

from axkit.tasks.kinds.kind import Kind
from axkit.tasks.kinds.token_classification.metrics import METRICS

KIND = Kind(
    name="token_classification",
    head="TokenClassification",
    rows="axkit.tasks.kinds.token_classification.rows:WordRows",
    compute="axkit.tasks.kinds.token_classification.compute:TokenClassification",
    metrics=METRICS,
    takes=(1,),
)
