"""SQuAD 1.1 and 2.0 by name, from the hub (Rajpurkar et al. 2016, arXiv 1606.05250; 2018, arXiv 1806.03822).

The published validation split is the untouched test split here; the search split is held out of train by context.
Windows as in the BERT paper's runs: 384 tokens, of which two share 128.
"""

from __future__ import annotations

from axkit import Task, TaskSpec


def _squad(name: str, threshold: float | None, what: str) -> Task:
    spec = TaskSpec(
        kind="question_answering",
        text=["question", "context"],
        label="answers",
        id="id",
        hub=f"rajpurkar/{name}",
        hub_splits={"train": "train", "test": "validation"},
        metric=["f1", "exact_match"],
        max_length=384,
        stride=128,
        no_answer_threshold=threshold,
    )
    return Task(name, spec, None, f"{what}, from the hub; scored by f1, exact_match.")


squad = _squad("squad", None, "SQuAD 1.1")
squad_v2 = _squad("squad_v2", 0.0, "SQuAD 2.0, with questions that have no answer")
