"""Kinds of task by name."""

from __future__ import annotations

from axkit.tasks.answers import QuestionAnswering
from axkit.tasks.kind import TaskKind
from axkit.tasks.pictures import ImageClassification
from axkit.tasks.sequences import Classification, MultiLabel, Regression
from axkit.tasks.tokens import TokenClassification

KINDS: dict[str, TaskKind] = {
    kind.name: kind
    for kind in (
        Classification(),
        Regression(),
        MultiLabel(),
        TokenClassification(),
        QuestionAnswering(),
        ImageClassification(),
    )
}
