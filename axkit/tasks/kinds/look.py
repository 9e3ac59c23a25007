"""How a person looks at answers: in words, which ones moved, which were sure, and class by class. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from axkit.tasks.kinds.classification.metrics import Counts
from axkit.tasks.source.origin import one_line

LONGEST = 320  # characters of a text, or of an answer, that is shown
_MOST_CLASSES = 1000  # that are counted against each other


@dataclass(frozen=True)
class Decisions:
    """Single decisions of a model: one a row, a word, or a label of a row.

    Attributes:
        right: (decisions,) of True and False.
        confidence: (decisions,), 0..1: the probability that the model gave to what it said.
    """

    right: Any
    confidence: Any


@dataclass(frozen=True)
class Classes:
    """A model class by class.

    Attributes:
        names: of the classes.
        counts: how often each was predicted rightly, predicted, and there.
        confusion: (wanted, said), how often; None where a decision is no choice of one class.
    """

    names: tuple[str, ...]
    counts: Counts
    confusion: Any = None


class Look:
    """Answers of a kind of task, for a report; by default without knowing what is right.

    Attributes:
        unit: what a decision is about, in one word.
        numbers: answers and labels are one number each, which a plot can hold against each other.
        moves: words for an answer that came nearer to the label, that went further from it, that is another.
    """

    unit: ClassVar[str] = "row"
    numbers: ClassVar[bool] = False
    moves: ClassVar[tuple[str, str, str]] = ("now right", "now wrong", "another answer")

    def text(self, text: Sequence[Any]) -> str:
        """What a row holds, in one line."""
        return " | ".join(one_line(str(part), LONGEST) for part in text)

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """An answer in words.

        Args:
            prediction: of a row.
            names: of the labels, where they have any.
            text: what the row holds.
        """
        return one_line(str(prediction), LONGEST)

    def wanted(self, gold: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """A label in words, as ``said`` has answers."""
        return self.said(gold, names, text)

    def differ(self, one: Any, other: Any) -> Any:
        """Which rows two models answer otherwise, (rows,) of True and False."""
        return np.array([not np.array_equal(a, b) for a, b in zip(one, other, strict=True)], dtype=bool)

    def right(self, predictions: Any, golds: Any) -> Any:
        """Which rows are right, (rows,) of True and False; None where that cannot be said."""
        return None

    def gains(self, before: Any, after: Any, golds: Any) -> Any:
        """How much nearer to its label each row's answer came, (rows,): below 0 further from it."""
        one, other = (self.right(found, golds) for found in (before, after))
        return np.zeros(len(golds)) if one is None else other.astype(np.float64) - one

    def sureness(self, confidences: Sequence[Any]) -> list[float | None]:
        """One number a row of what ``sure`` gave: by default as it is."""
        return [float(one) if isinstance(one, int | float) else None for one in confidences]

    def decisions(self, predictions: Any, golds: Any, confidences: Sequence[Any]) -> Decisions | None:
        """The single decisions; None where no probability is known, or not what is right."""
        right = self.right(predictions, golds)
        if right is None or not all(isinstance(one, int | float) for one in confidences):
            return None
        return Decisions(right, np.array(confidences, dtype=np.float64))

    def classes(self, predictions: Any, golds: Any, names: Sequence[str]) -> Classes | None:
        """Class by class; None where there are none."""
        return None


def confusion(wanted: Any, said: Any, classes: int) -> Any:
    """How often class ``i`` was wanted and ``j`` said, (classes, classes) of int64; None of very many classes."""
    if classes > _MOST_CLASSES:
        return None
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (wanted, said), 1)
    return found
