"""How deep cuts are asked for next, from what those before came to. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from axkit.goal.outcome import Tried
from axkit.goal.settings import Goal

MARGIN = 1.06  # beyond what is wanted: bits give a cut model less than they gave the whole one, and clocks waver
FASTEST = 4.0  # that cuts are tried to where nobody says how fast; halved as long as that costs too much
_LEAST = 1.1  # that cuts are asked to give
_STEP = 1.6  # times as deep, at most, as the last ones
_SLOPE = (0.2, 1.0)  # between a cut in float32 and what it gives behind the bits, both as logarithms
_OVER = 1.08  # times what is wanted is more than clocks waver by: less may be cut, and less lost
_CLOSE = 1.06  # two depths so near to each other have nothing between them that is worth a try


@dataclass(frozen=True)
class Depth:
    """What cuts alone are to give, in float32.

    Attributes:
        speedup: throughput, as a multiple; None where only bytes count.
        size: bytes of the dense model / bytes of what is left; None likewise.
    """

    speedup: float | None
    size: float | None

    def with_each(self, change: Callable[[float], float]) -> Depth:
        """Both changed."""
        return Depth(*(None if one is None else change(one) for one in (self.speedup, self.size)))

    @property
    def halfway(self) -> Depth:
        """Half as deep, in logarithms."""
        return self.with_each(lambda one: max(_LEAST, math.sqrt(one)))

    def between(self, other: Depth) -> Depth | None:
        """In the middle, in logarithms; None where the two are as good as one."""
        pairs = zip((self.speedup, self.size), (other.speedup, other.size), strict=True)
        middle = [None if a is None or b is None else math.sqrt(a * b) for a, b in pairs]
        asked = (self.speedup or 1.0) * (self.size or 1.0), (other.speedup or 1.0) * (other.size or 1.0)
        return Depth(*middle) if max(asked) >= _CLOSE * min(asked) else None


@dataclass
class Depths:
    """Depths that were asked for, and what they came to.

    Attributes:
        goal: that they serve.
        start: the bits alone; None where no such were tried.
        asked: with what they came to, in order.
    """

    goal: Goal
    start: Tried | None
    asked: list[tuple[Depth, Tried]] = field(default_factory=list)

    def first(self) -> Depth:
        """What cuts have to give, beside what the bits give already."""
        if not self.goal.has_target:
            return Depth(FASTEST, None)
        speedup, size = (
            None if wanted is None or there >= wanted * MARGIN else max(_LEAST, MARGIN * wanted / there)
            for wanted, there in zip((self.goal.speedup, self.goal.size), self._had, strict=True)
        )
        return Depth(speedup, size) if speedup or size else Depth(_LEAST, None)

    def next(self) -> Depth | None:
        """After the last one: deeper, nearer, or between what held the drop and what did not; None: there is none."""
        found = self._next()
        return None if found is None or any(found == depth for depth, _ in self.asked) else found

    def _next(self) -> Depth | None:
        held = [depth for depth, found in self.asked if _holds(found, self.goal)]
        dear = [depth for depth, found in self.asked if not _holds(found, self.goal)]
        if held and dear:
            return held[-1].between(dear[-1])
        if held:
            return self.deeper() if self.goal.has_target else None
        return dear[-1].halfway

    def nearer(self) -> Depth | None:
        """Than the last one, which has more than is wanted; None where it has hardly more, or nothing is between."""
        depth, found = self.asked[-1]
        pairs = ((found.speedup, self.goal.speedup), (found.size, self.goal.size))
        over = min(value / wanted for value, wanted in pairs if wanted is not None)
        short = [other for other, one in self.asked if _holds(one, self.goal) and one.progress(self.goal) < 1]
        if over < _OVER:
            return None
        return (short[-1] if short else depth.with_each(lambda _: 1.0)).between(depth)

    def deeper(self) -> Depth:
        """Than the deepest that was not taken back, by what it lacked: as cuts have given so far, behind the bits.

        Cuts that were taken back say nothing of what they give: where there are no others, as deep as at first.
        """
        stood = [(depth, found) for depth, found in self.asked if not found.undone]
        if not stood:
            return self.first()
        depth, found = max(stood, key=lambda one: (one[0].speedup or 0, one[0].size or 0))
        return Depth(
            _further(depth.speedup, self.goal.speedup, found.speedup, self._had[0]),
            _further(depth.size, self.goal.size, found.size, self._had[1]),
        )

    def to_train(self) -> Depth:
        """The nearest that has what is wanted, whatever it costs; where none has, deeper, and no less than at first."""
        reach = [depth for depth, found in self.asked if found.progress(self.goal) >= 1]
        if reach:
            return min(reach, key=lambda depth: (depth.speedup or 0, depth.size or 0))
        first, deeper = self.first(), self.deeper()
        return Depth(_more(first.speedup, deeper.speedup), _more(first.size, deeper.size))

    @property
    def _had(self) -> tuple[float, float]:
        return (1.0, 1.0) if self.start is None else (self.start.speedup, self.start.size)


def _more(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _holds(found: Tried, goal: Goal) -> bool:
    return found.holds(goal) and not found.undone


def _further(asked: float | None, wanted: float | None, got: float, had: float) -> float | None:
    """A multiple that gives what is wanted, if further cuts give as little more as those so far did."""
    if asked is None or wanted is None or got >= wanted:
        return asked
    gained = math.log(max(got / had, 1.0)) / math.log(asked) if asked > 1 else 1.0
    slope = min(max(gained, _SLOPE[0]), _SLOPE[1])
    return float(asked * min(_STEP, MARGIN * (wanted / got) ** (1 / slope)))
