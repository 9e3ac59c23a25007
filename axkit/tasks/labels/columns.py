"""The label column of a split, read row by row; what a kind of task reads in it is the kind's. Imports no torch."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from axkit.tasks.labels.classes import Classes, Survey
from axkit.tasks.labels.naming import Naming
from axkit.tasks.spec import Row, TaskSpec

_WORD = re.compile(r"[^ \t\r\n]+")  # U+00A0 and its like are characters of words


def listed(value: Any) -> list[Any] | None:
    """A list, or the words of a string, parted by plain spaces; None for anything else."""
    if isinstance(value, str):
        return _WORD.findall(value)
    return list(value) if isinstance(value, list | tuple | np.ndarray) else None


@dataclass(frozen=True)
class Meaning:
    """What a label column says, as train decides it.

    Attributes:
        naming: what the cells call the labels, and which class each is; empty for scores and answers.
        indicators: the lists of several labels are a 0 or 1 for each label, not the labels.
    """

    naming: Naming = field(default_factory=Naming)
    indicators: bool = False


class LabelColumn(ABC):
    """The label column of a split.

    Args:
        spec: of the task.
        meaning: of the column.
        survey: of this split's column; empty where nothing depends on it.

    Attributes:
        has_names: labels are looked up by their names.
    """

    has_names: ClassVar[bool] = True

    def __init__(self, spec: TaskSpec, meaning: Meaning, survey: Survey) -> None:
        self.spec, self.meaning = spec, meaning
        self.classes = Classes(meaning.naming.read, meaning.naming.by_place, survey, meaning.naming.loosely)

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The labels of a cell, as they stand there."""
        return (value,)

    @classmethod
    def indicators(cls, spec: TaskSpec, found: Survey) -> bool:
        """True where a cell's list is a 0 or 1 for each label.

        Raises:
            DataError: it may be read so, or as labels.
        """
        return False

    def value(self, row: Row) -> Any:
        """The cell of a row."""
        return row.get(self.spec.label_columns[0])

    @abstractmethod
    def label(self, row: Row, where: str, text: Any) -> Any:
        """What ``SplitRows.labels`` holds of a row.

        Raises:
            DataError: a cell that does not fit.
        """
