"""What a candidate has to reach, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from axkit.axformer.arrays import Floats, Rows

SLACK = 1 + 1e-6  # float sums in another order: never abandon within rounding of the bound
SUM_MARGIN = 5.0  # standard deviations of a sum's error in bfloat16 that are allowed for, before it decides anything


@dataclass(frozen=True)
class Outcome:
    """What one candidate did on the search split.

    Attributes:
        value: what must fall, over all samples; a lower bound where it is not whole.
        votes: samples whose loss is at most that of the dense model, among those seen.
        seen: samples evaluated.
        whole: False where not every sample was run in float32, the candidate's fate being sealed.
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
        bound: it is accepted below this value at most.
        needed: votes that are not enough.
        vote_decides: a lost vote ends it too.
        binds: rows that the candidate can change, (rows,) bool; the others keep what they have. None: all.
    """

    ceiling: float
    bound: float
    needed: int
    vote_decides: bool
    binds: Rows | None = None

    def sealed(self, totals: Floats, samples: int, by_row: bool) -> Outcome | None:
        """What came of the candidate, if that is certain before all rows have run in float32.

        Args:
            totals: of the sheets of all processes.
            samples: rows there are.
            by_row: whether a row has a vote and a loss of its own.
        """
        least, most, variance, votes, seen, exact = totals.tolist()
        if exact == samples:
            return None  # then it is known, not sealed
        error = SUM_MARGIN * variance**0.5
        low, high = (least - error) / samples, (most + error) / samples
        outvoted = by_row and votes + samples - seen <= self.needed
        refused = low > self.bound * SLACK or outvoted
        # above the ceiling; or refused, and either no matter how close it came, or surely close
        if low > self.ceiling * SLACK or (refused and (self.vote_decides or high * SLACK < self.ceiling)):
            return Outcome(low, int(votes), int(seen), False, exact < seen)
        return None

    def known(self, value: float, totals: Floats) -> Outcome | None:
        """As ``sealed``, of a candidate whose value is known though not every row has run in float32.

        Args:
            value: of it.
            totals: of the sheets of all processes, which have seen every row.
        """
        *_, votes, seen, exact = totals.tolist()
        if exact == seen or (value < self.bound and votes > self.needed):
            return None
        return Outcome(value, int(votes), int(seen), False, exact < seen)
