"""Image classification: one label of several for each image."""

from axkit.tasks.kinds.classification.metrics import METRICS
from axkit.tasks.kinds.kind import Kind

KIND = Kind(
    name="image_classification",
    head="ImageClassification",
    rows="axkit.tasks.kinds.image_classification.rows:ImageRows",
    compute="axkit.tasks.kinds.image_classification.compute:ImageClassification",
    metrics=METRICS,
    problem_type="single_label_classification",
    inputs="pixels",
    takes=(1,),
)
