"""Which rows of a whole are held out: a share of each class, by a hash of each row. Imports no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def held_out(draws: Any, strata: Any, share: float) -> npt.NDArray[np.bool_]:
    """A share of the rows of each class, as nearly as whole rows allow; in whatever order they come.

    A class of two rows or more, unless all are doubles, has some on either side.

    Args:
        draws: (rows,) numbers in [0, 1), a hash of each row; rows with the same one are doubles and go together.
        strata: (rows,) the class of each row. Doubles of several classes count as of the least.
        share: of the rows, 0..1.

    Returns:
        (rows,) True for a row that is held out.
    """
    order = np.lexsort((strata, draws))
    _, first, sizes = np.unique(draws[order], return_index=True, return_counts=True)
    classes = np.asarray(strata)[order][first]  # of each group of doubles, groups in the order of their draws
    taken = np.zeros(len(sizes), bool)
    for one in np.unique(classes):
        groups = np.flatnonzero(classes == one)
        before = np.cumsum(sizes[groups]) - sizes[groups] / 2  # a group is in where its middle is
        count = int((before < share * sizes[groups].sum()).sum())
        taken[groups[: max(min(count, len(groups) - 1), min(1, len(groups) - 1))]] = True
    held = np.zeros(len(order), bool)
    held[order] = np.repeat(taken, sizes)
    return held
