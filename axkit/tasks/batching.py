"""Which rows are asked about together: of like lengths, and no more tokens at a time than were granted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def token_batches(lengths: Any, tokens: int, rows: int) -> Iterator[list[int]]:
    """Rows sorted by length, in batches that padded hold at most so many tokens.

    Args:
        lengths: of each row, in tokens.
        tokens: of a batch, its padding counted; a longer row stands alone.
        rows: of a batch, at most.

    Yields:
        The numbers of the rows of a batch, the shortest first; each row stands in one.
    """
    held: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if held and (len(held) == rows or (len(held) + 1) * int(lengths[row]) > tokens):
            yield held
            held = []
        held.append(row)
    if held:
        yield held
