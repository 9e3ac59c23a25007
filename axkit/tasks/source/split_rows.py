"""One split of a task: texts and labels, ready to be tokenized. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SplitRows:
    """One split, ready to be tokenized.

    Attributes:
        texts: a tuple of strings per row: one or two texts, the words, or question and context. A list, or
            ``Texts`` of rows on disk.
        labels: per row; int64 classes, float64 scores, int64 (rows, labels) of 0 and 1, or an object array of tuples:
            tags, or (first character, text) of each answer.
        label_names: of classes 0, 1, ...
        parts: name of the file or hub split that each row came from; empty where there is one.
        positive: the class that F1 is of.
        digest: hash of every text and label, in order; empty where nobody asked for it.
    """

    texts: Sequence[tuple[Any, ...]]
    labels: Any
    label_names: tuple[str, ...] = ()
    parts: Sequence[str] = ()
    positive: int = 1
    digest: str = ""

    def __len__(self) -> int:
        return len(self.texts)
