"""The GLUE tasks by name, from the hub (Wang et al. 2018, arXiv 1804.07461).

GLUE keeps its test labels to itself, so the published validation split is the untouched test split here, and the
search split is held out of train. The metrics are those of GLUE; of two the first decides. MNLI is tested on both its
validation splits together, and told for each.
"""

from __future__ import annotations

from axkit import Task, TaskSpec

_HUB = "nyu-mll/glue"


def _glue(
    name: str,
    text: str | list[str],
    metric: str | list[str],
    names: list[str] | None,
    validation: str | list[str] = "validation",
) -> Task:
    spec = TaskSpec(
        kind="classification" if names else "regression",
        text=text,
        label="label",
        hub=f"{_HUB}:{name}",
        hub_splits={"train": "train", "test": validation},
        label_names=names,
        metric=metric,
    )
    return Task(f"glue/{name}", spec, None, f"GLUE {name}, from the hub; scored by {', '.join(spec.metric_names)}.")


_ENTAILS = ["entailment", "not_entailment"]
cola = _glue("cola", "sentence", "matthews", ["unacceptable", "acceptable"])
sst2 = _glue("sst2", "sentence", "accuracy", ["negative", "positive"])
mrpc = _glue("mrpc", ["sentence1", "sentence2"], ["f1", "accuracy"], ["not_equivalent", "equivalent"])
qqp = _glue("qqp", ["question1", "question2"], ["f1", "accuracy"], ["not_duplicate", "duplicate"])
stsb = _glue("stsb", ["sentence1", "sentence2"], ["pearson", "spearman"], None)
mnli = _glue(
    "mnli",
    ["premise", "hypothesis"],
    "accuracy",
    ["entailment", "neutral", "contradiction"],
    ["validation_matched", "validation_mismatched"],
)
qnli = _glue("qnli", ["question", "sentence"], "accuracy", _ENTAILS)
rte = _glue("rte", ["sentence1", "sentence2"], "accuracy", _ENTAILS)
wnli = _glue("wnli", ["sentence1", "sentence2"], "accuracy", ["not_entailment", "entailment"])
