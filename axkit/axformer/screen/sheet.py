"""What is known of a candidate so far, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.rule.criteria import Criterion
from axkit.axformer.screen.error import Screen

ROW_MARGIN = 5.0  # standard deviations of a row's error in 16 bits that are allowed for, before it decides its vote
_GROWN = 1 / 16  # of the rows have come, before they are weighed together again


def sheet_of(criterion: Criterion, base: Floats, mine: Rows) -> Sheet:
    """An empty sheet, as the criterion has it.

    Args:
        criterion: of the search.
        base: losses of the model that the vote compares with, (rows of the split,).
        mine: rows of this process.
    """
    return Sheet(criterion, base, mine) if criterion.by_row else JointSheet(criterion, base, mine)


class Sheet:
    """Bounds and votes of the rows of this process alone.

    Args:
        criterion, base, mine: see ``sheet_of``.

    Attributes:
        kept: what the criterion keeps of each row that was seen, from 16 bits or from float32.
        seen, exact: rows of which something is known, and is known from float32, (rows of the split,) bool.
    """

    def __init__(self, criterion: Criterion, base: Floats, mine: Rows) -> None:
        samples = len(base)
        self._criterion, self.base, self._mine = criterion, base, mine
        self._least = np.zeros(samples)  # not more than the row's loss, but for an error of this variance
        self._most = np.full(samples, np.inf)  # not less, but for that error; inf where that is unknown
        self._variance = np.zeros(samples)
        self._favour = np.zeros(samples, bool)  # the row may vote for the candidate
        self.seen, self.exact = np.zeros(samples, bool), np.zeros(samples, bool)
        self.kept = np.zeros((samples, 0))

    def note(self, rows: Rows, kept: Floats, screen: Screen | None = None) -> None:
        """What the criterion keeps of some rows: from float32, or from 16 bits with the error of ``screen``."""
        if screen is not None:  # what float16 has no number for is not known yet
            finite = np.isfinite(kept).all(1)
            rows, kept = rows[finite], kept[finite]
        if not len(rows):
            return
        if self.kept.shape[1] != kept.shape[1]:
            self.kept = np.zeros((len(self.base), kept.shape[1]))
        self.kept[rows] = kept
        self.seen[rows], self.exact[rows] = True, screen is None
        self._weigh(rows, screen)

    def _weigh(self, rows: Rows, screen: Screen | None) -> None:
        """What follows of rows that have just come."""
        losses = self._criterion.losses(self.kept[rows], rows)
        bias, spread = self._error(rows, losses, screen)
        self._most[rows] = self._criterion.row_at_most(losses) + np.abs(bias)
        self._least[rows] = self._criterion.row_at_least(losses) - np.abs(bias)
        self._variance[rows] = spread**2
        self._favour[rows] = losses - self.base[rows] <= ROW_MARGIN * spread

    def _error(self, rows: Rows, losses: Floats, screen: Screen | None) -> tuple[Floats, Floats]:
        """Bias and spread of rows with these losses, by the larger of them and the base's; none where exact."""
        if screen is None:
            return np.zeros(len(rows)), np.zeros(len(rows))
        bias, spread = screen.error(np.maximum(losses, self.base[rows]))
        return np.where(self.exact[rows], 0, bias), np.where(self.exact[rows], 0, spread)

    def totals(self) -> Floats:
        """(least, most, variance, votes, seen, exact) over the rows of this process, (6,)."""
        every = (self._least, self._most, self._variance, self._favour & self.seen, self.seen, self.exact)
        return np.array([float(one[self._mine].sum()) for one in every])

    def parts(self, wanted: Rows) -> Iterator[tuple[Rows, Floats]]:
        """What is kept of the rows of this process that are wanted, (rows of the split,) bool."""
        rows = self._mine[wanted[self._mine]]
        if len(rows):
            yield rows, self.kept[rows]

    def forget_screened(self) -> None:
        """Go on as if only the exact rows had been seen."""
        for one in (self._least, self._variance, self._favour, self.seen):
            one[~self.exact] = 0
        self._most[~self.exact] = np.inf


class JointSheet(Sheet):
    """Of a criterion by which a row's loss depends on the others: rows are weighed together, at what suits them best.

    The least of a sum over some rows is not more than their share of the least over all.
    """

    _screen: Screen | None = None
    _weighed = 0

    def _weigh(self, rows: Rows, screen: Screen | None) -> None:
        self._screen = screen or self._screen

    def totals(self) -> Floats:
        """As of any sheet; what all rows have at most is not known before all have come."""
        rows = self._mine[self.seen[self._mine]]
        if len(rows) - self._weighed >= _GROWN * len(self._mine) or len(rows) == len(self._mine) > self._weighed:
            self._weighed = len(rows)
            super()._weigh(rows, self._screen)
            self._most[rows] = np.inf
        found = super().totals()
        found[4] = self._weighed  # votes and bounds are of these
        return found

    def forget_screened(self) -> None:
        """Go on as if only the exact rows had been seen."""
        super().forget_screened()
        for one in (self._least, self._variance, self._favour):
            one[:] = 0
        self._weighed, self._screen = 0, None
