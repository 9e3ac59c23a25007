"""The answers on the page: which moved, class by class, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axkit.ground.figures import change, score
from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn
from axkit.report.plots.answers import calibration_words, numbers_svg, reliability_svg
from axkit.run.looked import Looked, Moved, Side

_PAIRS = 15  # confusions that are listed
_GRID = 12  # classes whose whole confusion is shown
_LABELS = 60  # to filter by


@dataclass(frozen=True)
class Confusion:
    """A matrix.

    Attributes:
        whose: dense or result.
        rows: (class, counts, each with its share of the row, 0..1).
    """

    whose: str
    rows: tuple[tuple[str, tuple[tuple[int, float], ...]], ...]


@dataclass(frozen=True)
class Answers:
    """What is shown.

    Attributes:
        looked: the record.
        summary: (how many rows, what became of their answers).
        labels: to filter by; empty where there are many.
        sure: whether there is a confidence to filter by.
        classes: class by class; None where there are none.
        matrices: of both models; empty where there are many classes, or none.
        pairs: the most frequent confusions; None where there are none.
        calibration: sentences.
        drawn: reliability and numbers.
    """

    looked: Looked
    summary: tuple[tuple[int, str], ...]
    labels: tuple[str, ...]
    sure: bool
    classes: Grid | None
    matrices: tuple[Confusion, ...]
    pairs: Grid | None
    calibration: tuple[str, ...]
    drawn: Drawn

    def confidence(self, moved: Moved) -> float:
        """What a row is filtered by: how sure the result is."""
        return moved.result_confidence if moved.result_confidence is not None else 1.0


def answers_of(looked: Looked) -> Answers:
    """What is shown of the answers."""
    labels = tuple(sorted({one.wanted for one in looked.moved}))
    sides = (("Dense", looked.dense), ("Result", looked.result))
    drawn = Drawn()
    if looked.dense.bins and looked.result.bins:
        drawn.add("reliability", lambda: reliability_svg(looked))
    if looked.numbers:
        drawn.add("numbers", lambda: numbers_svg(looked.numbers))
    return Answers(
        looked=looked,
        summary=_summary(looked),
        labels=labels if len(labels) <= _LABELS else (),
        sure=any(one.result_confidence is not None for one in looked.moved),
        classes=_classes(looked),
        matrices=tuple(_matrix(name, looked.classes, side) for name, side in sides if side.confusion)
        if len(looked.classes) <= _GRID
        else (),
        pairs=_pairs(looked),
        calibration=tuple(calibration_words(name, side) for name, side in sides if side.bins),
        drawn=drawn,
    )


def _summary(looked: Looked) -> tuple[tuple[int, str], ...]:
    """Without what no row did; where rows have no labels, all words are one."""
    found = dict.fromkeys(looked.words, 0)
    for count, word in zip(looked.counts, looked.words, strict=True):
        found[word] += count
    return tuple((count, word) for word, count in found.items() if count)


def _classes(looked: Looked) -> Grid | None:
    both = list(zip(looked.classes, looked.there, looked.dense.scores, looked.result.scores, strict=False))
    rows = [
        (name, str(there), *(score(one) for one in (*before, *after)), change(after[2] - before[2]))
        for name, there, before, after in both
        if there or any(before) or any(after)
    ]
    head = ("class", "wanted", *(f"{what}, {whose}" for whose in ("dense", "result") for what in _WHAT), "F1, change")
    return Grid("Class by class, points", head, tuple(rows)) if rows else None


_WHAT = ("precision", "recall", "F1")


def _matrix(whose: str, names: Sequence[str], side: Side) -> Confusion:
    rows = []
    for name, counts in zip(names, side.confusion, strict=False):
        whole = max(1, sum(counts))
        rows.append((name, tuple((count, count / whole) for count in counts)))
    return Confusion(whose, tuple(rows))


def _pairs(looked: Looked) -> Grid | None:
    """What is most often taken for what, by either model."""
    names, before, after = looked.classes, looked.dense.confusion, looked.result.confusion
    if len(names) < 3 or not before or not after:
        return None
    found = [
        (names[i], names[j], before[i][j], after[i][j]) for i in range(len(names)) for j in range(len(names)) if i != j
    ]
    most = sorted((one for one in found if one[2] or one[3]), key=lambda one: -max(one[2], one[3]))[:_PAIRS]
    rows = [(wanted, said, str(one), str(other), f"{other - one:+d}") for wanted, said, one, other in most]
    head = ("wanted", "said", "dense", "result", "change")
    return Grid("What is most often taken for what", head, tuple(rows)) if rows else None
