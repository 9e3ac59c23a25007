"""What differences some rows can tell, and how many rows a difference takes. Imports no torch."""

from __future__ import annotations

import math

Z = 1.959964  # of the normal distribution: two-sided, 5 %
FLIPS = 0.05  # share of rows on which two like models answer apart, as long as nobody has counted
MOST_ROWS = 10_000_000


def resolution(rows: int, flips: float = FLIPS) -> float:
    """The least difference, in points, that two models' answers to the same rows can be told apart by.

    Two models that answer ``flips`` of the rows apart differ on each by -1, 0 or 1, so that the mean of n has a
    standard error of sqrt(flips / n) (McNemar 1947, for small differences).

    Args:
        rows: that both answer.
        flips: share of them, 0..1, that one answers right and the other wrong.
    """
    return 100 * Z * math.sqrt(flips / rows)


def rows_for(points: float, flips: float = FLIPS) -> int:
    """How many rows tell a difference of so many points; the inverse of ``resolution``."""
    return min(MOST_ROWS, math.ceil(flips * (100 * Z / points) ** 2)) if points > 0 else MOST_ROWS


def rows_needed(rows: int, half: float, wanted: float) -> int | None:
    """How many rows would make an interval so narrow.

    Args:
        rows: that gave it.
        half: its half width, points.
        wanted: the half width that is wanted; None comes back where that is none.
    """
    if wanted <= 0 or half <= 0:
        return None
    needed = math.ceil(rows * (half / wanted) ** 2)
    return None if needed > MOST_ROWS else needed


def told(points: float, rows: int, split: str) -> str:
    """A sentence where so many points are less than what rows can tell; empty where they can.

    Args:
        points: that something may cost.
        rows: by which that is judged.
        split: what these are called.
    """
    least = resolution(rows)
    if points <= 0 or points >= least:
        return ""
    return (
        f"a drop of {points:g} is less than {rows} {split} rows can tell, some {least:.1f} points where two models "
        f"answer {100 * FLIPS:g} % of the rows apart; about {rows_for(points):,} rows would"
    )
