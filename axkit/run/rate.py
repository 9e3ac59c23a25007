"""How fast this machine gets through a model's work, reckoned from how fast it multiplies. Imports no torch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from axkit.contract.passes import Workload

_SHARE = 0.65  # of what large products reach that a whole encoder does; BERT of 384 and 768 wide, float32
_TURNS, _SHAPE = 12, (512, 768, 3072)  # of the product that is timed: rows, in, out


@dataclass(frozen=True)
class Rate:
    """What a machine does in a second.

    Attributes:
        gflops: of large float32 products, in 10^9 operations a second.
    """

    gflops: float

    @classmethod
    @cache
    def here(cls) -> Rate:
        """Measured on this machine, once, in a tenth of a second."""
        return cls(_gflops())

    def row_s(self, work: Workload) -> float:
        """Seconds that the model takes for one row."""
        return work.tokens * work.layers * work.layer_operations / (self.gflops * 1e9 * _SHARE)


def _gflops() -> float:
    """The best of several large products: what else runs can only make one longer."""
    rows, inner, outer = _SHAPE
    left, right = np.ones((rows, inner), np.float32), np.ones((inner, outer), np.float32)
    best = float("inf")
    for _ in range(_TURNS):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * outer / best / 1e9
