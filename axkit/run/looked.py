"""What a report shows of two models' answers, row by row and class by class, as types. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.fields import Fields, present

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Moved:
    """A row that the result answers otherwise than the dense model.

    Attributes:
        row: its place in the test split, from 0.
        text: what it holds, shortened.
        wanted: its label, in words.
        dense: the dense model's answer, in words.
        result: the result's.
        gain: above 0 where the answer came nearer to the label, below 0 where it went further from it.
        dense_confidence: the probability that the dense model gave to its answer, 0..1; None where it has none.
        result_confidence: likewise.
    """

    row: int
    text: str
    wanted: str
    dense: str
    result: str
    gain: float
    dense_confidence: float | None = None
    result_confidence: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return present(**vars(self))

    @classmethod
    def from_json(cls, data: Fields) -> Moved:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            data.take("row", int),
            data.take("text", str),
            data.take("wanted", str),
            data.take("dense", str),
            data.take("result", str),
            data.take("gain", float),
            data.maybe("dense_confidence", float),
            data.maybe("result_confidence", float),
        )


@dataclass(frozen=True)
class Bin:
    """Decisions of about the same confidence.

    Attributes:
        low: of the bin, 0..1.
        high: likewise.
        decisions: how many fell in it.
        confidence: their mean, 0..1.
        right: the share of them that are.
    """

    low: float
    high: float
    decisions: int
    confidence: float
    right: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Fields) -> Bin:
        """The inverse of ``to_json``."""
        ends = data.take("low", float), data.take("high", float)
        return cls(*ends, data.take("decisions", int), data.take("confidence", float), data.take("right", float))


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        scores: class by class (precision, recall, F1), points; in the order of ``Looked.classes``.
        confusion: how often class ``i`` was wanted and ``j`` said; empty where that is not known.
        bins: its decisions by confidence; empty where it has none.
    """

    scores: tuple[tuple[float, float, float], ...] = ()
    confusion: Counts = ()
    bins: tuple[Bin, ...] = ()

    @property
    def decisions(self) -> int:
        """All that are counted in the bins."""
        return sum(one.decisions for one in self.bins)

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error, 0..1 (Guo et al. 2017, arXiv 1706.04599, section 2); None without bins."""
        if not self.bins:
            return None
        return sum(one.decisions * abs(one.right - one.confidence) for one in self.bins) / self.decisions

    @property
    def sureness(self) -> float:
        """Mean confidence, 0..1."""
        return sum(one.decisions * one.confidence for one in self.bins) / max(1, self.decisions)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "scores": [list(row) for row in self.scores],
            "confusion": [list(row) for row in self.confusion],
            "bins": [one.to_json() for one in self.bins],
            **present(calibration_error=self.calibration_error),
        }

    @classmethod
    def from_json(cls, data: Fields) -> Side:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        scores = _rows(data, "scores", float)
        if any(len(row) != 3 for row in scores):
            raise CheckpointError("the report's scores of classes are damaged")
        three = tuple((row[0], row[1], row[2]) for row in scores)
        return cls(three, _rows(data, "confusion", int), tuple(map(Bin.from_json, data.parts("bins"))))


@dataclass(frozen=True)
class Looked:
    """Two models' answers to the test rows.

    Attributes:
        unit: what a decision is about: a row, a word, a label of a row.
        words: for an answer that came nearer to the label, that went further from it, that is another.
        counts: how many rows did each of these.
        rows: of the split.
        moved: those that did, the worst first; no more than ``MOST``.
        classes: their names.
        there: how often each is wanted.
        dense: the dense model.
        result: the result.
        numbers: (label, dense model's answer, result's) of some rows, where these are numbers.
    """

    unit: str
    words: tuple[str, str, str]
    counts: tuple[int, int, int]
    rows: int
    moved: tuple[Moved, ...]
    classes: tuple[str, ...] = ()
    there: tuple[int, ...] = ()
    dense: Side = field(default_factory=Side)
    result: Side = field(default_factory=Side)
    numbers: tuple[tuple[float, ...], ...] = ()

    @property
    def changed(self) -> int:
        """How many rows are answered otherwise."""
        mended, broken, others = self.counts
        return mended + broken + others

    def word(self, gain: float) -> str:
        """What became of an answer."""
        return self.words[0 if gain > 0 else 1 if gain < 0 else 2]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "unit": self.unit,
            "words": list(self.words),
            "counts": list(self.counts),
            "rows": self.rows,
            "moved": [one.to_json() for one in self.moved],
            "classes": list(self.classes),
            "there": list(self.there),
            "dense": self.dense.to_json(),
            "result": self.result.to_json(),
            "numbers": [list(row) for row in self.numbers],
        }

    @classmethod
    def from_json(cls, data: Fields) -> Looked:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        words, counts = data.texts("words"), _list(data, "counts", int)
        if len(words) != 3 or len(counts) != 3:
            raise CheckpointError("the report's counts of answers are damaged")
        return cls(
            unit=data.take("unit", str),
            words=(words[0], words[1], words[2]),
            counts=(counts[0], counts[1], counts[2]),
            rows=data.take("rows", int),
            moved=tuple(map(Moved.from_json, data.parts("moved"))),
            classes=data.texts("classes"),
            there=_list(data, "there", int),
            dense=Side.from_json(data.part("dense")),
            result=Side.from_json(data.part("result")),
            numbers=_rows(data, "numbers", float),
        )


def _list(data: Fields, key: str, kind: type[Any]) -> tuple[Any, ...]:
    return _checked(data.take(key, list), kind, key)


def _rows(data: Fields, key: str, kind: type[Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(_checked(row, kind, key) for row in data.take(key, list))


def _checked(row: Sequence[Any], kind: type[Any], key: str) -> tuple[Any, ...]:
    wanted = (int, float) if kind is float else kind
    if not isinstance(row, list) or not all(isinstance(one, wanted) and not isinstance(one, bool) for one in row):
        raise CheckpointError(f"the report's answers are damaged ({key})")
    return tuple(row)
