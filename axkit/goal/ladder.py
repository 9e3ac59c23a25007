"""Up the ladder: cheap recipes first, judged on the search split, until one has what is wanted. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from axkit.goal.depth import Depth, Depths
from axkit.goal.outcome import Tried, choose
from axkit.goal.rungs import Rung, Rungs
from axkit.goal.settings import PACKED, Goal
from axkit.ground.errors import AxkitError, MemoryFullError, NotApplicable, RecipeError
from axkit.ground.figures import quantity, ratio

AGAIN = 4  # more times that cuts of another depth are tried: they share the table of the first ones
AHEAD = 1.05  # bfloat16 is tried beside int8 where it was so much faster
_EPOCHS = (3.0, 2.0, 1.0)  # of the last training; the most that there is time for

Attempt = Callable[[Rung], Tried]
OF_A_RUNG = (NotApplicable, RecipeError, MemoryFullError)  # any other error is of what all rungs share


@dataclass
class Clock:
    """How much time there is.

    Attributes:
        minutes: allowed.
        rows: of train.
        rows_per_s: that the dense model answers; 0 until something was timed.
        seconds: a monotonic clock.
        row_cost: answers of the dense model that learning from a row takes as long as, at most, teacher and all.
        settled: rows_per_s is of as few rows at a time as a training has; else what batches are answered at is taken.
    """

    minutes: float
    rows: int = 0
    rows_per_s: float = 0.0
    seconds: Callable[[], float] = time.monotonic
    row_cost: float = 4.0
    settled: bool = False
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.seconds()

    @property
    def left_s(self) -> float:
        """Seconds that are left; below 0 past the end."""
        return 60 * self.minutes - (self.seconds() - self.begun)

    def saw(self, rows_per_s: float) -> None:
        """The dense model was timed."""
        if not self.settled:
            self.rows_per_s = max(self.rows_per_s, rows_per_s)

    def epoch_s(self) -> float:
        """Seconds that an epoch of training is expected to take, at most."""
        return self.row_cost * self.rows / self.rows_per_s if self.rows_per_s else 0.0


@dataclass
class Ladder:
    """What was tried so far, and what comes next.

    Attributes:
        rungs: the recipes there are.
        attempt: runs one, without the test split.
        clock: how much time there is.
        bits: the precisions that this machine may take, the usual one first.
        tried: in order.
        left_out: what was not, and why.
        refused: the errors of rungs that cannot be had here.
    """

    rungs: Rungs
    attempt: Attempt
    clock: Clock
    bits: tuple[str, ...]
    tried: list[Tried] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    refused: list[AxkitError] = field(default_factory=list)

    def climb(self) -> Tried | None:
        """Try until something has what is wanted, or nothing is left to try.

        Returns:
            The best; None where nothing is within the drop.

        Raises:
            AxkitError: no rung can be had here: that of the first one.
        """
        best = self._fewer_bits()
        depths, how = Depths(self.rungs.goal, best), None if best is None else best.rung.bits
        if not self._done:
            self._cut(depths, how)
        if not self._done and self.rungs.goal.has_target:
            self._train(depths, how)
        if not self.tried and self.refused:
            raise self.refused[0]
        return choose(self.tried, self.rungs.goal)

    @property
    def _done(self) -> bool:
        return any(one.meets(self.rungs.goal) for one in self.tried)

    def _try(self, rung: Rung) -> Tried | None:
        """What it comes to; None where it cannot be had here, which ends no other."""
        try:
            found = self.attempt(rung)
        except OF_A_RUNG as error:
            self.refused.append(error)
            self.left_out.append(f"{rung.name} was not tried: {str(error).replace(chr(10), '; ')}")
            return None
        self.tried.append(found)
        return found

    def _fewer_bits(self) -> Tried | None:
        """The precision that serves best here: the fastest within the drop; the smallest where only size counts."""
        goal = self.rungs.goal
        if not self.bits:
            return self._try(self.rungs.exported()) if goal.exports else None
        first = self._try(self.rungs.stored(self.bits[0]))
        timed, held = ({}, False) if first is None else (first.kinds_of_bits, first.holds(goal))
        for other in self.bits[1:]:
            faster = timed.get(other, 0.0) >= AHEAD * timed.get(self.bits[0], 1.0)
            faster = faster and goal.where != PACKED  # which computes integers in bfloat16 as it is
            if not self._done and (goal.size is None or goal.size <= 2) and (faster or not held):
                self._try(self.rungs.stored(other))
        within = [one for one in self.tried if one.holds(goal)]
        if goal.size is not None:
            wanted = goal.size
            smaller = [one for one in within if one.size > 1]
            return max(smaller, key=lambda one: (min(1.0, one.size / wanted), one.speedup), default=None)
        return max((one for one in within if one.speedup > 1), key=lambda one: one.speedup, default=None)

    def _cut(self, depths: Depths, how: str | None) -> None:
        """Parts out, what is left mended: as far as is wanted, then nearer or further as it turns out."""
        depth: Depth | None = depths.first()
        for _ in range(1 + AGAIN):
            if depth is None or not self._time_for("more cuts", self._last_s):
                return
            done = self._done
            found = self._try(self.rungs.mended(depth.speedup, depth.size, how))
            if found is None:  # nor can others that only cut elsewhere
                return
            depths.asked.append((depth, found))
            if done:  # once nearer, and no more
                return
            depth = depths.nearer() if found.meets(self.rungs.goal) else depths.next()

    def _train(self, depths: Depths, how: str | None) -> None:
        """Cuts as deep as is wanted, and training behind them, where there is time for it."""
        goal, depth = self.rungs.goal, depths.to_train()
        for _ in range(2):
            epochs = self._epochs()
            if epochs is None:
                return
            found = self._try(self.rungs.trained(depth.speedup, depth.size, how, epochs))
            if found is None or found.meets(goal) or not found.holds(goal):
                return
            learned = Depths(goal, depths.start, [(depth, found)])
            further = depth.halfway if found.undone else learned.deeper()
            if further == depth:
                return
            depth = further

    def _epochs(self) -> float | None:
        """As many as there is time for; None where that is not one."""
        fixed = self._last_s + self.clock.epoch_s()  # the cuts, and the half epochs between them
        fits = [one for one in _EPOCHS if fixed + one * self.clock.epoch_s() <= self.clock.left_s]
        if not fits:
            needed = (fixed + _EPOCHS[-1] * self.clock.epoch_s() - self.clock.left_s) / 60 + self.rungs.goal.minutes
            self.left_out.append(
                f"training behind the cuts was not begun: it is expected to end within --minutes {quantity(needed)}"
            )
            return None
        return fits[0]

    def _time_for(self, what: str, seconds: float) -> bool:
        if seconds <= self.clock.left_s:
            return True
        needed = (seconds - self.clock.left_s) / 60 + self.rungs.goal.minutes
        self.left_out.append(f"{what} were not tried: they are expected to end within --minutes {quantity(needed)}")
        return False

    @property
    def _last_s(self) -> float:
        """Seconds that the dearest step took so far."""
        return max((one.wall_s for one in self.tried), default=0.0)


def ideas(tried: Sequence[Tried], goal: Goal, left_out: Sequence[str]) -> list[str]:
    """What would help where the goal was not reached, in sentences."""
    found = list(left_out)
    reach = [one for one in tried if one.progress(goal) >= 1 and not one.holds(goal)]
    if goal.has_target and reach:
        least = min(reach, key=lambda one: one.drop)
        found.append(
            f"'{least.name}' gets there for {least.drop:.2f} points: --max-drop {least.drop + 0.05:.1f} takes it"
        )
    deep = [one.undone for one in tried if one.undone]
    if deep:
        speedup, points = min(deep, key=lambda one: one[1])
        found.append(
            f"cuts to {ratio(speedup)} cost {points:.2f} points and were taken back: such depth takes training"
        )
    fastest = max(tried, key=lambda one: one.speedup, default=None)
    if goal.speedup is not None and fastest is not None and fastest.speedup < goal.speedup:
        found.append(
            f"the fastest that was tried has {ratio(fastest.speedup)} the throughput: --speedup that, or more --minutes"
        )
    if goal.size is not None and all(one.size < goal.size for one in tried):
        found.append(
            "in a small model the vocabulary is most of the bytes: the pass vocab drops pieces that train lacks"
        )
    if goal.where == "cpu":
        found.append("another runtime may be faster here: --for torch-packed, onnxruntime or openvino")
    return found
