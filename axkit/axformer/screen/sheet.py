"""What is known of a candidate so far, row by row, and with what error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.rule.criteria import Criterion

_ROW_MARGIN = 5.0  # standard deviations of a row's error in bfloat16 that are allowed for, before it decides its vote


@dataclass(frozen=True)
class Screen:
    """The error of bfloat16: loss in bfloat16 less loss in float32, for rows with like losses.

    Attributes:
        floors: the least loss of each tier, hardest first, (tiers,).
        bias: mean error, (tiers,).
        spread: root of the mean square error, (tiers,).
    """

    floors: Floats
    bias: Floats
    spread: Floats

    def error(self, losses: Floats) -> tuple[Floats, Floats]:
        """Bias and spread of rows with these losses.

        The larger a loss, the more a change of the logits changes it, so what counts is the largest loss that a row
        has in either model: one that a candidate has made much harder errs as hard rows do.
        """
        tier = np.searchsorted(-self.floors[:-1], -losses)
        return self.bias[tier], self.spread[tier]

    def times(self, factor: float) -> Screen:
        """For a candidate that errs more."""
        return Screen(self.floors, self.bias * factor, self.spread * factor)


class Sheet:
    """What is known so far of a candidate, by row; of the rows of this process alone.

    Args:
        criterion: of the search.
        base: losses of the model that the vote compares with, (rows of the split,).
    """

    def __init__(self, criterion: Criterion, base: Floats) -> None:
        samples = len(base)
        self._criterion, self._base = criterion, base
        self.least = np.zeros(samples)  # not more than the row's loss, but for an error of this variance
        self.most = np.full(samples, np.inf)  # not less, but for that error; inf where that is unknown
        self.variance = np.zeros(samples)
        self.losses = np.zeros(samples)  # as seen, in whatever precision
        self.favour = np.zeros(samples, bool)  # the row may vote for the candidate
        self.seen = np.zeros(samples, bool)
        self.exact = np.zeros(samples, bool)
        self.doubtful = np.zeros(samples, bool)  # bfloat16 cannot tell the row's vote
        self.parts: list[tuple[Rows, Floats]] = []  # of exact rows

    def note(self, rows: Rows, kept: Floats, screen: Screen | None = None) -> None:
        """What the criterion keeps of some rows: from float32, or from bfloat16 with the error of ``screen``."""
        if screen is not None:  # what float16 has no number for is not known yet
            finite = np.isfinite(kept).all(1)
            rows, kept = rows[finite], kept[finite]
        if not len(rows):
            return
        losses, base = self._criterion.losses(kept, rows), self._base[rows]
        self.losses[rows] = losses
        bias, spread = self.error(rows, screen)
        least = self._criterion.row_at_least(losses) - np.abs(bias)
        if not self._criterion.by_row:  # only the sum is a bound; it does not matter which row bears it
            least = np.append(least.sum(), np.zeros(len(rows) - 1))
        self.most[rows] = self._criterion.row_at_most(losses) + np.abs(bias)
        self.least[rows], self.variance[rows] = least, spread**2
        self.favour[rows] = losses - base <= _ROW_MARGIN * spread
        self.doubtful[rows] = (np.abs(losses - base) <= _ROW_MARGIN * spread) & (screen is not None)
        self.seen[rows], self.exact[rows] = True, screen is None
        if screen is None:
            self.parts.append((rows, kept))

    def error(self, rows: Rows, screen: Screen | None) -> tuple[Floats, Floats]:
        """Bias and spread of rows that were noted, by the larger of their losses; none in float32."""
        if screen is None:
            return np.zeros(len(rows)), np.zeros(len(rows))
        return screen.error(np.maximum(self.losses[rows], self._base[rows]))

    def totals(self, mine: Rows) -> Floats:
        """(least, most, variance, votes, seen, exact) over these rows, (6,)."""
        every = (self.least, self.most, self.variance, self.favour & self.seen, self.seen, self.exact)
        return np.array([float(one[mine].sum()) for one in every])

    def forget_screened(self) -> None:
        """Go on as if only the exact rows had been seen."""
        for one in (self.least, self.variance, self.favour, self.seen, self.doubtful):
            one[~self.exact] = 0
        self.most[~self.exact] = np.inf


class Patience:
    """When to screen: what was in vain is left out for the next candidates of its kind, for longer each time."""

    def __init__(self) -> None:
        self._vain, self._pause = {True: 0, False: 0}, {True: 0, False: 0}

    def learned(self) -> dict[str, Any]:
        """What :meth:`told` has gathered, as arrays by name."""
        return {name: np.array([known[True], known[False]]) for name, known in self._both()}

    def recall(self, found: Mapping[str, Any]) -> None:
        """Go on with what another has learned."""
        for name, known in self._both():
            known[True], known[False] = map(int, found[name])

    def _both(self) -> tuple[tuple[str, dict[bool, int]], ...]:
        return ("vain", self._vain), ("pause", self._pause)

    def due(self, kind: bool) -> bool:
        """Whether the next candidate of a kind is to be screened."""
        self._pause[kind] -= 1
        return self._pause[kind] < 0

    def told(self, kind: bool, sealed: bool) -> None:
        """What came of it."""
        self._vain[kind] = 0 if sealed else self._vain[kind] + 1
        self._pause[kind] = 2 ** self._vain[kind] - 1
