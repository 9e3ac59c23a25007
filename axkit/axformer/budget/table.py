"""One round of the search with a budget, over mended blocks: of a table of levels, the cheapest that reach the goals.

Where ``axkit.axformer.budget.walk`` takes one cut after the other, this looks at each block alone and decides once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from axkit.anatomy.structure import Structure
from axkit.axformer.budget.levels import Level, Menu, chosen
from axkit.axformer.budget.survey import Survey
from axkit.axformer.budget.walk import Goals
from axkit.kit.sizes import weight_bytes

_READINGS = 6  # of the whole model at most, until what was expected is what is measured
_SLACK = 0.015  # of the goal, that the time may be below it: where a copy lies in memory makes as much
_HALVINGS = 12
_Needs = tuple[float, float]  # shares of the dense model's time, and bytes, that have to go


@dataclass(frozen=True)
class Chosen:
    """What a round has come to.

    Attributes:
        structure: what is left.
        reached: False where nothing is left to remove before the goals are reached.
    """

    structure: Structure
    reached: bool


class Table:
    """Decides a round.

    Args:
        survey: of the model as the round begins.
        menus: that it gave.
        goals: of the round.
        share: of the dense model's time that the model takes as the round begins, as rounds are judged.
        clocked: time of that model cut to a structure, whole, as a share of the dense model's: as the round will be
            judged in the end.
        took: told what is removed: element, criterion, throughput and bytes after it, as they are expected.
    """

    def __init__(
        self,
        survey: Survey,
        menus: Sequence[Menu],
        goals: Goals,
        share: float,
        clocked: Callable[[Structure], float],
        took: Callable[[str, float, float, int], None],
    ) -> None:
        self.survey, self.menus, self.goals, self._clocked, self._took = survey, menus, goals, clocked, took
        self.bytes = weight_bytes(survey.rows.bench.subject.module)
        self.share = share
        self.value = survey.rows.passes.value(survey.rows.now)

    def run(self) -> Chosen:
        """Choose; time the whole model, and choose again, until the goal of time is reached."""
        needs = (
            0.0 if self.goals.share is None else self.share - self.goals.share,
            0.0 if self.goals.bytes is None else self.bytes - self.goals.bytes,
        )
        found = chosen(self.menus, needs)
        levels = [menu.levels[-1] for menu in self.menus] if found is None else found
        allowed = self.survey.rows.passes.criterion.dear(self.value) - self.value
        if _cost(levels) > allowed:  # before more is lost, train and judge
            return Chosen(self._told(_within(self.menus, needs, allowed)), True)
        if found is None:
            return Chosen(self._told(levels), False)
        if self.goals.share is not None and needs[0] > 0:
            levels = self._timed(levels, needs[1], self.goals.share)
        return Chosen(self._told(levels), True)

    def _timed(self, levels: list[Level], size: float, goal: float) -> list[Level]:
        """What was expected of the sum of its layers is held against the clock, and more, or less, is asked for.

        By the mean of all readings: where a copy lies in memory makes it some percent slower or faster than another, so
        that the last reading alone would be chased up and down, and of several the luckiest would end this.
        """
        tried: list[list[Level]] = []
        misses: list[float] = []
        for _ in range(_READINGS):
            tried.append(levels)
            misses.append(self._clocked(self._structure(levels)) - self._expected(levels))
            late = self._expected(levels) + mean(misses) - goal
            if -_SLACK * goal <= late <= 0:
                if len(misses) > 1:
                    break
                continue
            more = chosen(self.menus, (self.share + mean(misses) - (1 - _SLACK / 2) * goal, size))
            if more is None:
                break
            levels = more
        fast = [one for one in (*tried, levels) if self._expected(one) + mean(misses) <= goal]
        return min(fast, key=_cost, default=levels)

    def _expected(self, levels: Sequence[Level]) -> float:
        """Share of the dense model's time, by the table alone."""
        return self.share - sum(level.saved[0] for level in levels)

    def _structure(self, levels: Sequence[Level]) -> Structure:
        now = self.survey.now
        for menu, level in zip(self.menus, levels, strict=True):
            if level.gone:
                now = self.survey.cut(menu.block, level.gone, now).structure
        return now

    def _told(self, levels: Sequence[Level]) -> Structure:
        """Every block that loses something is told, in the order of the model."""
        now, value, share, left = self.survey.now, self.value, self.share, float(self.bytes)
        for menu, level in zip(self.menus, levels, strict=True):
            if level.gone:
                cut = self.survey.cut(menu.block, level.gone, now)
                now, value = cut.structure, value + level.cost
                share, left = share - level.saved[0], left - level.saved[1]
                self._took(cut.element, value, 1 / max(share, 1e-9), round(left))
        return now


def _cost(levels: Sequence[Level]) -> float:
    return sum(level.cost for level in levels)


def _within(menus: Sequence[Menu], needs: _Needs, allowed: float) -> list[Level]:
    """The levels that go as far on the way as the criterion may grow; something goes in any case."""
    low, high = 0.0, 1.0
    best: list[Level] | None = None
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        levels = chosen(menus, (needs[0] * share, needs[1] * share))
        if levels is not None and _cost(levels) <= allowed and any(level.gone for level in levels):
            low, best = share, levels
        else:
            high = share
    if best is not None:
        return best
    return chosen(menus, (needs[0] * high, needs[1] * high)) or [menu.levels[0] for menu in menus]
