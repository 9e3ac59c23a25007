"""Kinds of task by name."""

from __future__ import annotations

from axkit.tasks.kinds.answers import QuestionAnswering
from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.image_classes import ImageClassification
from axkit.tasks.kinds.sequences import Classification, MultiLabel, Regression
from axkit.tasks.kinds.tokens import TokenClassification

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
