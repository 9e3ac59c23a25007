"""What can be answered without looking at a row, and what an answer that never changes is called. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Constant:
    """One and the same answer to every row.

    Attributes:
        answer: in words: ``'0'``, ``no answer``.
        predictions: that answer, once per row.
    """

    answer: str
    predictions: Any


class Luck(ABC):
    """Answers of a kind of task as answers, whoever gave them."""

    @abstractmethod
    def majority(self, train_labels: Any, golds: Any) -> Any:
        """What a model would predict that has only seen the training labels; one per gold."""

    @abstractmethod
    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """Answers that need no look at a row; for each of the metrics, the best there is for these rows is among them.

        Args:
            golds: of the rows.
            names: of the labels, where they have any.
        """

    @abstractmethod
    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The answer, in words, that all rows were given; empty where there are several, or one row."""

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Predictions of a model whose label ``i`` is label ``order[i]`` here; by default they hold no numbers."""
        return predictions


def objects(values: Sequence[Any]) -> Any:
    """An object array of any values, (n,); numpy would make a table of tuples of like length."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def word(label: int, names: Sequence[str]) -> str:
    """A label's name; its number where it has none."""
    return names[label] if label < len(names) else str(label)


def named(label: int, names: Sequence[str]) -> str:
    """A label in words."""
    return f"'{word(label, names)}'"
