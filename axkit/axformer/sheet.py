"""What a candidate has to reach, what is known of it so far, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from axkit.axformer.criteria import Floats

Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """What one candidate did on the search split.

    Attributes:
        value: what must fall, over all samples; a lower bound where the evaluation was abandoned.
        votes: samples whose loss is at most that of the dense model, among those seen.
        seen: samples evaluated.
        whole: False when it was abandoned, its fate being sealed.
        screened: True when bfloat16 had a part in sealing it.
        kept: what the criterion keeps of each row, where it is whole.
    """

    value: float
    votes: int
    seen: int
    whole: bool
    screened: bool = False
    kept: Floats | None = None


@dataclass(frozen=True)
class Stakes:
    """What a candidate has to reach.

    Attributes:
        ceiling: above this value nothing about the candidate matters any more.
        needed: votes that are not enough.
        vote_decides: a lost vote ends it too.
        binds: rows that the candidate can change, (rows,) bool; the others keep what they have. None: all.
    """

    ceiling: float
    needed: int
    vote_decides: bool
    binds: Rows | None = None


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
    """What is known so far of a candidate, by row; of the rows of this process alone."""

    def __init__(self, samples: int) -> None:
        self.least = np.zeros(samples)  # not more than the row's loss, but for an error of this variance
        self.variance = np.zeros(samples)
        self.losses = np.zeros(samples)  # as seen, in whatever precision
        self.base = np.zeros(samples)  # the dense model's loss, of seen rows
        self.favour = np.zeros(samples, bool)  # the row may vote for the candidate
        self.seen = np.zeros(samples, bool)
        self.exact = np.zeros(samples, bool)
        self.doubtful = np.zeros(samples, bool)  # bfloat16 cannot tell the row's vote
        self.parts: list[tuple[Rows, Floats]] = []  # of exact rows

    def totals(self) -> Floats:
        """(least, variance, votes, seen, exact, dense loss of the seen) over rows."""
        every = (self.least, self.variance, self.favour & self.seen, self.seen, self.exact, self.base)
        return np.array([float(one.sum()) for one in every])

    def forget_screened(self) -> None:
        """Go on as if only the exact rows had been seen."""
        for one in (self.least, self.variance, self.base, self.favour, self.seen, self.doubtful):
            one[~self.exact] = 0


class Patience:
    """When to screen: what was in vain is left out for the next candidates of its kind, for longer each time."""

    def __init__(self) -> None:
        self._vain, self._pause = {True: 0, False: 0}, {True: 0, False: 0}

    def due(self, kind: bool) -> bool:
        """Whether the next candidate of a kind is to be screened."""
        self._pause[kind] -= 1
        return self._pause[kind] < 0

    def told(self, kind: bool, sealed: bool) -> None:
        """What came of it."""
        self._vain[kind] = 0 if sealed else self._vain[kind] + 1
        self._pause[kind] = 2 ** self._vain[kind] - 1
