"""What keeps a greedy search from fitting the rows it looks at hundreds of times."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.axformer.rule.criteria import Criterion

PARTS = 4


class Guard(ABC):
    """Says whether a gain over the present model is believed.

    Args:
        samples: rows of the search split.
        looks: candidates that the search may evaluate, at most.
        level: of a test, over all looks together.
    """

    def __init__(self, samples: int, looks: int, level: float) -> None:
        self.samples, self.looks, self.level = samples, looks, level

    @abstractmethod
    def believes(self, criterion: Criterion, now: Floats, new: Floats, look: int) -> bool:
        """Compare a candidate with the present model.

        Args:
            criterion: how both are judged.
            now: what is kept of each row of the present model.
            new: of the candidate.
            look: the number of the candidate, from 0.
        """


class NoGuard(Guard):
    """The paper's: none."""

    def believes(self, criterion: Criterion, now: Floats, new: Floats, look: int) -> bool:
        """Always."""
        return True


class Confirm(Guard):
    """Better on three quarters of the rows, and better on the fourth; the quarters take turns.

    Rows are in random order in a split, so every fourth row is a random part.
    """

    def believes(self, criterion: Criterion, now: Floats, new: Floats, look: int) -> bool:
        """Both parts have to agree."""
        every = np.arange(self.samples)
        held = every % PARTS == look % PARTS
        return all(
            criterion.value(new[rows], rows) < criterion.value(now[rows], rows) for rows in (every[~held], every[held])
        )


class PairedTest(Guard):
    """One-sided paired t-test of the rows' losses, its level divided by the number of looks (Bonferroni)."""

    def believes(self, criterion: Criterion, now: Floats, new: Floats, look: int) -> bool:
        """The mean gain is not noise."""
        every = np.arange(self.samples)
        return gain_p_value(criterion.losses(now, every) - criterion.losses(new, every)) < self.level / self.looks


def gain_p_value(gains: Any) -> float:
    """One-sided p of a positive mean; the normal stands for Student's t, which differs little past some 30 rows."""
    spread = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    if spread == 0:
        return 0.0 if gains.mean() > 0 else 1.0
    return 0.5 * math.erfc(float(gains.mean()) / spread / math.sqrt(2))


GUARDS: dict[str, type[Guard]] = {"none": NoGuard, "confirm": Confirm, "paired_test": PairedTest}
