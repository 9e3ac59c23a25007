"""A row's label, of each kind of task: whatever is wrong with it is one sentence that names it. Imports no torch."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.labels.classes import Classes, Survey, cell_text, kind_of_text, whole_number
from axkit.tasks.labels.naming import Naming
from axkit.tasks.source.origin import brief
from axkit.tasks.spec import Kind, Row, TaskSpec

_WORD = re.compile(r"[^ \t\r\n]+")  # U+00A0 and its like are characters of words
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*|nan|[+-]?inf", re.IGNORECASE)
_LARGEST = 3.4e38  # of float32
_SEPARATORS = (";", "|", ",", None)


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
    """

    has_names: ClassVar[bool] = True

    def __init__(self, spec: TaskSpec, meaning: Meaning, survey: Survey) -> None:
        self.spec, self.meaning = spec, meaning
        self.classes = Classes(meaning.naming.read, meaning.naming.by_place, survey, meaning.naming.loosely)

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The labels of a cell, as they stand there."""
        return (value,)

    def value(self, row: Row) -> Any:
        """The cell of a row."""
        return row.get(self.spec.label_columns[0])

    @abstractmethod
    def label(self, row: Row, where: str, text: Any) -> Any:
        """What ``SplitRows.labels`` holds of a row.

        Raises:
            DataError: a cell that does not fit.
        """


class OneLabel(LabelColumn):
    """A class."""

    def label(self, row: Row, where: str, text: Any) -> int:
        """The class, 0, 1, ..."""
        return self.classes.of(self.value(row), where)


class Score(LabelColumn):
    """A number."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> float:
        """The number; of a text, the number that it writes."""
        value = self.value(row)
        if isinstance(value, np.generic):
            value = value.item()
        way = ""
        if isinstance(value, str):
            if _NUMBER.fullmatch(value):
                value = float(value)
            elif _NUMBER.fullmatch(value.replace(",", ".")):
                way = f", written with a point: {value.strip().replace(',', '.')}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_score(value):
            raise DataError(f"{where}: score '{self.spec.label}' is {brief(value)}; it must be a finite number{way}")
        return float(value)


def _is_score(value: float) -> bool:
    return not math.isnan(value) and -_LARGEST < value < _LARGEST if isinstance(value, float) else abs(value) < 10**38


class LabelSet(LabelColumn):
    """Several labels in one cell: a list of them or of 0 and 1 for each label, or a text that parts them."""

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The labels of a cell; a text is parted by ``label_sep``, or by what parts it into known names."""
        if isinstance(value, list | tuple | np.ndarray):
            return list(value)
        if value is None and spec.label_sep is not None:
            return ()
        if not isinstance(value, str):
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}; it must be a list of labels")
        cell = value.strip()
        if kind_of_text(cell):
            what = kind_of_text(cell)
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}, the text of {what}; write JSONL")
        if spec.label_sep is not None:
            return [part.strip() for part in value.split(spec.label_sep) if part.strip()]
        names = {name.strip() for name in spec.label_names or ()}
        if cell in names:
            return (cell,)
        for mark in _SEPARATORS if names else ():
            parts = [part.strip() for part in cell.split(mark) if part.strip()]
            if parts and names.issuperset(parts):
                return parts
        if any(mark in cell for mark in ";|,") or len(cell.split()) > 1:
            raise DataError(
                f"{where}: '{spec.label}' is the text {brief(value)}; if it holds several labels, say what parts them "
                f"in 'label_sep', else name it in 'label_names'"
            )
        return (cell,)

    def label(self, row: Row, where: str, text: Any) -> list[int]:
        """0 or 1 for each label; a row may have none."""
        values, names = self.pieces(self.spec, self.value(row), where), self.meaning.naming.read
        if self.meaning.indicators:
            bits = [_bit(value) for value in values]
            if len(bits) != len(names) or None in bits:
                raise DataError(
                    f"{where}: '{self.spec.label}' is {brief(values)}; as in train it must have 0 or 1 for each of the "
                    f"{len(names)} labels"
                )
            return [int(bit or 0) for bit in bits]
        chosen = {self.classes.of(value, where) for value in values}
        return [int(index in chosen) for index in range(len(names))]


class LabelColumns(LabelColumn):
    """Several labels, a column of 0 and 1 for each."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> list[int]:
        """0 or 1 for each label."""
        values = [row.get(column) for column in self.spec.label_columns]
        bits = [_bit(value) for value in values]
        if None in bits:
            raise DataError(f"{where}: the label columns hold {brief(values)}; each must be 0 or 1")
        return [int(bit or 0) for bit in bits]


def _bit(value: Any) -> int | None:
    """0 or 1, in any of the ways to write it; None for anything else."""
    try:
        text = cell_text(value, "")
    except DataError:
        return None
    return {"0": 0, "1": 1, "False": 0, "True": 1, "false": 0, "true": 1}.get(whole_number(text) or text)


class Tags(LabelColumn):
    """A tag for each word: a list, or a text that is parted at spaces."""

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The tags; none where the cell is no list, which :meth:`label` tells beside the words."""
        if isinstance(value, str) and kind_of_text(value):
            what = kind_of_text(value)
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}, the text of {what}; write JSONL")
        tags = listed(value) or ()
        for tag in tags:
            if isinstance(tag, list | tuple | dict):
                raise DataError(
                    f"{where}: '{spec.label}' holds {brief(tag)}, which is no tag; give words, and a tag for each "
                    f"instead of spans"
                )
        return tags

    def label(self, row: Row, where: str, text: Any) -> tuple[str, ...]:
        """The tags of the row's words."""
        tags = self.pieces(self.spec, self.value(row), where)
        if len(tags) != len(text):
            raise DataError(
                f"{where}: {len(text)} words have {len(tags)} tags ('{self.spec.label}'); give each word one"
            )
        return tuple(self.meaning.naming.read[self.classes.of(tag, where)] for tag in tags)


class Answers(LabelColumn):
    """The answers of a question, each with its first character in the context."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> tuple[tuple[int, str], ...]:
        """(first character, text) of each answer; none where the question has none."""
        value = self.value(row)
        try:
            answers = _pairs(value)
        except (KeyError, TypeError, ValueError, OverflowError):
            what = kind_of_text(value) if isinstance(value, str) else ""
            way = f", but the text of {what}; write JSONL" if what else "; mend the row"
            raise DataError(
                f"{where}: '{self.spec.label}' is no answer with text and answer_start ({brief(value)}){way}"
            ) from None
        for start, answer in answers:
            if not answer or start < 0 or text[1][start : start + len(answer)] != answer:
                raise DataError(
                    f"{where}: the context does not hold the answer {brief(answer)} at character {brief(start)}; "
                    f"mend the row"
                )
        if not answers and self.spec.no_answer_threshold is None:
            raise DataError(
                f"{where}: the question has no answer; give the task a 'no_answer_threshold' (0.0), or drop the row"
            )
        return answers


def _pairs(value: Any) -> tuple[tuple[int, str], ...]:
    """The shapes in use: {text: [...], answer_start: [...]}, a list of {text, answer_start}, or one of these."""
    if isinstance(value, Mapping):
        starts, texts = value["answer_start"], value["text"]
        both = (starts, texts)
        if isinstance(texts, str):
            both = ([starts], [texts])
        if not all(isinstance(part, list | tuple | np.ndarray) for part in both):
            raise TypeError("no lists")
        return tuple((_start(start), _text(text)) for start, text in zip(*both, strict=True))
    if not isinstance(value, list | tuple | np.ndarray):
        raise TypeError("no list")
    return tuple((_start(one["answer_start"]), _text(one["text"])) for one in value)


def _start(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer) or value != int(value):
        raise TypeError("no character")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


COLUMNS: dict[Kind, type[LabelColumn]] = {
    "classification": OneLabel,
    "regression": Score,
    "multi_label": LabelSet,
    "token_classification": Tags,
    "question_answering": Answers,
    "image_classification": OneLabel,
}


def column_type(spec: TaskSpec) -> type[LabelColumn]:
    """What reads the label column, or columns, of a task."""
    return LabelColumns if len(spec.label_columns) > 1 else COLUMNS[spec.kind]
