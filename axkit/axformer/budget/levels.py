"""What a block may be cut to, and which cut of each block together reach a goal at the least cost.

Source: Kurtic et al. 2023, arXiv 2302.04089, and Frantar and Alistarh 2022, arXiv 2201.13096 (SPDY): a table of each
block's levels, and dynamic programming over it. Ours: what a level costs is measured on the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.kit.calibrate import Block

_CELLS = {1: 2000, 2: 160}  # of each goal, by how many there are
_FLOOR = 0.5  # of what its error says: a level that labels say to cost less has met with luck


@dataclass(frozen=True)
class Level:
    """A block at one of its levels.

    Attributes:
        gone: how many of the parts that are there go.
        cost: what the criterion grows by.
        saved: shares of the dense model's time, and bytes, (2,).
    """

    gone: int
    cost: float
    saved: tuple[float, float]


@dataclass(frozen=True)
class Menu:
    """The levels of one block, from nothing gone to all.

    Attributes:
        block: layer and block.
        levels: the first one changes nothing.
    """

    block: Block
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Looked:
    """What was measured of a block at some of its levels, (levels,) each, but for the one at which nothing is gone.

    Attributes:
        gone: how many parts, rising; the last one is all of them.
        grown: by what the criterion was larger.
        time: shares of the dense model's time that were saved.
        bytes: that were saved.
    """

    gone: Sequence[int]
    grown: Sequence[float]
    time: Sequence[float]
    bytes: Sequence[float]


def menu(block: Block, steps: Sequence[int], looked: Looked, errors: Sequence[float], by_label: bool = True) -> Menu:
    """All levels of a block, from those that were looked at.

    Between them what a level costs goes as its error in least squares does, and what it saves as the number of parts.

    Args:
        block: layer and block.
        steps: how many parts may go; those that were looked at are among them.
        looked: what was measured.
        errors: of each number of parts that is gone, from 0 on, (parts + 1,).
        by_label: of the criterion. Labels have noise: without a block some of the rows come out better by chance, and
            the less is left the more of them; so no level costs less than half of what its error says.
    """
    known = np.array(looked.gone)
    rates = _rates(np.array(looked.grown), np.array([errors[gone] for gone in looked.gone]), _FLOOR * by_label)
    # all gone is a case of its own: what leads there is not between it and the one before
    inner = max(1, len(known) - 1)
    costs = [
        (rates[-1] if gone == known[-1] else float(np.interp(gone, known[:inner], rates[:inner]))) * errors[gone]
        for gone in steps
    ]
    saved = [np.interp(steps, [0, *known], [0.0, *of]) for of in (looked.time, looked.bytes)]
    levels = [
        Level(gone, float(cost), (float(time), float(size)))
        for gone, cost, time, size in zip(steps, np.maximum.accumulate(costs), *saved, strict=True)
    ]
    return Menu(block, (Level(0, 0.0, (0.0, 0.0)), *levels))


def _rates(grown: Floats, errors: Floats, floor: float) -> Floats:
    """What a unit of error costs at each level; never less than a share of what it does at the middle one."""
    rates = grown / np.maximum(errors, 1e-30)
    return np.maximum(rates, max(floor * float(np.median(rates)), 0.0))


def chosen(menus: Sequence[Menu], needs: tuple[float, float]) -> list[Level] | None:
    """One level of each block that together save enough, at the least cost.

    Args:
        menus: of all blocks.
        needs: shares of the dense model's time, and bytes; 0 or less: nothing is asked.

    Returns:
        In the order of the menus; None where all that there is does not save enough. What is saved is rounded down, to
        a two thousandth of what is needed, or to a 160th where both are.
    """
    asked = [kind for kind in (0, 1) if needs[kind] > 0]
    if not asked:
        return [one.levels[0] for one in menus]
    cells = _CELLS[len(asked)]
    best = np.full((cells + 1,) * len(asked), np.inf)  # the least cost at which so much was saved
    best[(0,) * len(asked)] = 0.0
    ways = []
    for one in menus:
        units = [_units(level, needs, asked, cells) for level in one.levels]
        tried = np.stack([_shifted(best, unit) + level.cost for unit, level in zip(units, one.levels, strict=True)])
        ways.append((one, units, tried.argmin(0), best))
        best = tried.min(0)
    if not np.isfinite(best[(-1,) * len(asked)]):
        return None
    return _backwards(ways, (cells,) * len(asked))


def _units(level: Level, needs: tuple[float, float], asked: Sequence[int], cells: int) -> tuple[int, ...]:
    """What a level saves, in cells of each goal; more than all counts as all."""
    return tuple(int(min(cells, max(0.0, level.saved[kind] / needs[kind] * cells + 1e-9))) for kind in asked)


def _shifted(best: Floats, units: Sequence[int]) -> Floats:
    """The costs with so much more saved; past the goal nothing more counts, so that the last cell is at least that."""
    for axis, unit in enumerate(units):
        if unit:
            best = np.moveaxis(best, axis, 0)
            moved = np.full_like(best, np.inf)
            moved[unit:] = best[: len(best) - unit]
            moved[-1] = best[len(best) - 1 - unit :].min(0)
            best = np.moveaxis(moved, 0, axis)
    return best


def _backwards(ways: Sequence[tuple[Menu, list[tuple[int, ...]], Floats, Floats]], at: tuple[int, ...]) -> list[Level]:
    """The levels that led to a cell."""
    found: list[Level] = []
    for one, units, choice, before in reversed(ways):
        index = int(choice[at])
        found.append(one.levels[index])
        at = _origin(before, at, units[index])
    return found[::-1]


def _origin(before: Floats, at: tuple[int, ...], units: Sequence[int]) -> tuple[int, ...]:
    """The cheapest cell from which so much more leads to one."""
    spans = [
        range(max(0, place - unit), size) if place == size - 1 else range(place - unit, place - unit + 1)
        for place, unit, size in zip(at, units, before.shape, strict=True)
    ]
    part = before[np.ix_(*spans)]
    where = np.unravel_index(int(part.argmin()), part.shape)
    return tuple(span[int(i)] for span, i in zip(spans, where, strict=True))
