"""What is known of a candidate so far, row by row."""

from __future__ import annotations

import numpy as np

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.rule.criteria import Criterion
from axkit.axformer.screen.error import Screen

_ROW_MARGIN = 5.0  # standard deviations of a row's error in 16 bits that are allowed for, before it decides its vote


class Sheet:
    """Bounds and votes of the rows of this process alone.

    Args:
        criterion: of the search.
        base: losses of the model that the vote compares with, (rows of the split,).
    """

    def __init__(self, criterion: Criterion, base: Floats) -> None:
        samples = len(base)
        self._criterion, self.base = criterion, base
        self.least = np.zeros(samples)  # not more than the row's loss, but for an error of this variance
        self.most = np.full(samples, np.inf)  # not less, but for that error; inf where that is unknown
        self.variance = np.zeros(samples)
        self.favour = np.zeros(samples, bool)  # the row may vote for the candidate
        self.seen = np.zeros(samples, bool)
        self.exact = np.zeros(samples, bool)
        self.parts: list[tuple[Rows, Floats]] = []  # of exact rows

    def note(self, rows: Rows, kept: Floats, screen: Screen | None = None) -> None:
        """What the criterion keeps of some rows: from float32, or from 16 bits with the error of ``screen``."""
        if screen is not None:  # what float16 has no number for is not known yet
            finite = np.isfinite(kept).all(1)
            rows, kept = rows[finite], kept[finite]
        if not len(rows):
            return
        losses = self._criterion.losses(kept, rows)
        bias, spread = self.error(rows, losses, screen)
        least = self._criterion.row_at_least(losses) - np.abs(bias)
        if not self._criterion.by_row:  # only the sum is a bound; it does not matter which row bears it
            least = np.append(least.sum(), np.zeros(len(rows) - 1))
        self.most[rows] = self._criterion.row_at_most(losses) + np.abs(bias)
        self.least[rows], self.variance[rows] = least, spread**2
        self.favour[rows] = losses - self.base[rows] <= _ROW_MARGIN * spread
        self.seen[rows], self.exact[rows] = True, screen is None
        if screen is None:
            self.parts.append((rows, kept))

    def error(self, rows: Rows, losses: Floats, screen: Screen | None) -> tuple[Floats, Floats]:
        """Bias and spread of rows with these losses, by the larger of them and the base's; none in float32."""
        if screen is None:
            return np.zeros(len(rows)), np.zeros(len(rows))
        return screen.error(np.maximum(losses, self.base[rows]))

    def totals(self, mine: Rows) -> Floats:
        """(least, most, variance, votes, seen, exact) over these rows, (6,)."""
        every = (self.least, self.most, self.variance, self.favour & self.seen, self.seen, self.exact)
        return np.array([float(one[mine].sum()) for one in every])

    def forget_screened(self) -> None:
        """Go on as if only the exact rows had been seen."""
        for one in (self.least, self.variance, self.favour, self.seen):
            one[~self.exact] = 0
        self.most[~self.exact] = np.inf
