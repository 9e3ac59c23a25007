"""The acceptance rule of AxFormer (arXiv 2010.03688, sections 3 and 4), as numbers."""

from __future__ import annotations

from dataclasses import dataclass

from axkit.axformer.arrays import Rows
from axkit.axformer.rule.stakes import Outcome, Stakes

NEAR_MISS = 1.1  # a block whose loss is below this multiple of the best is searched part by part


@dataclass(frozen=True)
class Acceptance:
    """A candidate stays if: value < best + tolerance * base value, and count(l <= base l) > floor(vote * rows).

    Attributes:
        base_value: of the dense model.
        tolerance: share of it that all removals together may cost; the paper's is 0.
        needed: votes that are not enough.
    """

    base_value: float
    tolerance: float
    needed: int

    def bound(self, best: float) -> float:
        """A candidate's value must be below this, where ``best`` is the least value so far."""
        return best + self.tolerance * self.base_value

    def near(self, best: float) -> float:
        """A block's value must be below this, for its parts to be tried."""
        return max(NEAR_MISS * best, self.bound(best))

    def of_block(self, best: float) -> Stakes:
        """What a whole block has to reach; a lost vote does not end it, as its parts may yet be tried."""
        return Stakes(self.near(best), self.bound(best), self.needed, vote_decides=False)

    def of_part(self, best: float, binds: Rows | None = None) -> Stakes:
        """What anything else has to reach; ``binds`` says which rows it can change (None: all)."""
        return Stakes(self.bound(best), self.bound(best), self.needed, vote_decides=True, binds=binds)

    def accepts(self, outcome: Outcome, best: float) -> bool:
        """Whether the rule is met; ties count for the candidate in the vote alone."""
        return outcome.whole and outcome.value < self.bound(best) and outcome.votes > self.needed
