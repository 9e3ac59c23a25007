"""How long the rest of a run will take: reckoned from how fast its model was a moment ago. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axkit.contract.passes import Workload
from axkit.run.records import StageRecord
from axkit.run.stage_cost import COMPARED_ROWS, TIMED_ROWS
from axkit.run.steps import PlannedStep

_SHORT = 60.0  # seconds


@dataclass(frozen=True)
class Left:
    """What is left of a run.

    Attributes:
        least_s: seconds, about.
        most_s: likewise; None where a pass does not foresee its work.
    """

    least_s: float
    most_s: float | None

    def told(self) -> str:
        """``about 4 to 9 min left``."""
        if self.most_s is None:
            return f"at least {_minutes(self.least_s)} left" if self.least_s >= _SHORT else "time left not known"
        low, high = _minutes(self.least_s), _minutes(self.most_s)
        if self.most_s < _SHORT or low == high:
            return f"about {high} left"
        return f"about {low.removesuffix(' min')} to {high} left"


def left_of(steps: Sequence[PlannedStep], work: Workload | None, last: StageRecord) -> Left | None:
    """How long these steps and the final comparison will take.

    Args:
        steps: that are still to be gone through.
        work: how much there is to do; None where nobody knows.
        last: the stage before them, whose model was timed.

    Returns:
        None where nothing was timed.
    """
    if work is None or last.speed is None:
        return None
    found = [step.foresee_effort(work) for step in steps]
    each = [(0.0, None) if effort is None else effort.rows for effort in found]
    compared = 2 * work.rows["test"] + COMPARED_ROWS
    measured = (work.rows["search"] + TIMED_ROWS) * len(each)
    least = compared + measured + sum(low for low, _ in each)
    known = [high for _, high in each if high is not None]
    most = compared + measured + sum(known) if len(known) == len(each) else None
    speed = last.speed.own.throughput_b32_per_s
    return Left(least / speed, None if most is None else most / speed)


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
