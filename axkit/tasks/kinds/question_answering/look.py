"""How a person looks at answers to questions. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.tasks.kinds.look import LONGEST, Look
from axkit.tasks.kinds.question_answering import squad
from axkit.tasks.source.origin import one_line


class AnswerLook(Look):
    """The span of a context."""

    unit = "question"

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The text."""
        return one_line(str(prediction), LONGEST) or "no answer"

    def wanted(self, gold: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The gold answers, each once."""
        return one_line(" / ".join(dict.fromkeys(gold)), LONGEST) or "no answer"

    def right(self, predictions: Any, golds: Any) -> Any:
        """The answer is a gold answer."""
        return np.array([squad.exact_match([a], [b]) > 0 for a, b in zip(predictions, golds, strict=True)], bool)

    def gains(self, before: Any, after: Any, golds: Any) -> Any:
        """Points of F1."""
        one, other = (
            np.array([squad.f1([a], [b]) for a, b in zip(found, golds, strict=True)]) for found in (before, after)
        )
        return other - one
