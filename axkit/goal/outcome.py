"""What came of a goal, as types. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axkit.goal.rungs import Rung
from axkit.goal.settings import Goal
from axkit.ground.fields import present
from axkit.ground.figures import change, ratio, score
from axkit.measure.figures import leads
from axkit.run.records import StageRecord
from axkit.run.report import Report

NEAR = 0.99  # of a target: two timings of one model differ by as much
_BITS = {"int8": "int8", "bfloat16": "bf16"}  # what was timed -> the pass that stores a model so


@dataclass(frozen=True)
class Tried:
    """One recipe of the ladder, on the search split.

    Attributes:
        rung: what it was.
        score: points.
        drop: points below the dense model.
        speedup: throughput in batches as a multiple of the dense model's, timed in turn.
        size: bytes of the dense model / bytes of this one.
        wall_s: seconds that it took; those of stages that were there already are not in it.
        notes: what its passes had to say.
        kinds_of_bits: ``int8`` and ``bf16`` -> their speed as a multiple of float32's, where the stage timed both.
        undone: (speed, points) of cuts that were taken back, as they cost more than is looked at.
    """

    rung: Rung
    score: float
    drop: float
    speedup: float
    size: float
    wall_s: float
    notes: tuple[str, ...] = ()
    kinds_of_bits: Mapping[str, float] = field(default_factory=dict)
    undone: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """For people."""
        return self.rung.name

    def holds(self, goal: Goal) -> bool:
        """Whether it costs no more than is allowed."""
        return self.drop <= goal.max_drop + 1e-9

    def progress(self, goal: Goal) -> float:
        """How much of what is wanted it reaches, 0..1; where nothing is to be reached, its speed."""
        parts = [
            value / wanted
            for value, wanted in ((self.speedup, goal.speedup), (self.size, goal.size))
            if wanted is not None
        ]
        return min([1.0, *parts]) if parts else self.speedup

    def meets(self, goal: Goal) -> bool:
        """Whether that is all that is wanted."""
        return goal.has_target and self.holds(goal) and self.progress(goal) >= 1

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "passes": [one.name for one in self.rung.passes],
            "metric_search": self.score,
            "drop_search": self.drop,
            "throughput_ratio": self.speedup,
            "bytes_ratio": self.size,
            "wall_s": self.wall_s,
            "notes": list(self.notes),
        }


def choose(tried: Sequence[Tried], goal: Goal) -> Tried | None:
    """The best so far: of those within the drop, what gets furthest, and of these what costs least; None: nothing."""
    within = [one for one in tried if one.holds(goal)]
    return max(within, key=lambda one: (round(one.progress(goal), 3), -one.drop), default=None)


def frontier(tried: Sequence[Tried]) -> list[Tried]:
    """What no other beats in speed, drop and size at once, the slowest first."""

    def merits(one: Tried) -> tuple[float, float, float]:
        return one.speedup, -one.drop, one.size

    front = (one for one in tried if not any(leads(merits(other), merits(one)) for other in tried))
    return sorted(front, key=lambda one: one.speedup)


@dataclass(frozen=True)
class Compressed:
    """What became of a goal.

    Attributes:
        goal: what was wanted.
        recipe: the file that was written; ``axkit apply`` on it gives the same.
        tried: in order, on the search split; empty where nothing was run.
        chosen: of these, what was run to its end; None where nothing was within the drop, or nothing was run.
        folder: the run folder; None likewise.
        report: of the run, on the test split; None likewise.
        left_out: what was not tried, and why.
    """

    goal: Goal
    recipe: Path
    tried: tuple[Tried, ...] = ()
    chosen: Tried | None = None
    folder: Path | None = None
    report: Report | None = None
    left_out: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether the result has what was wanted, on rows that no decision used."""
        if self.report is None:
            return False
        summary, goal = self.report.summary, self.goal
        return (
            not summary.quality.result.answers_only
            and -summary.quality.moved <= goal.max_drop + 1e-9
            and (goal.speedup is None or summary.speeds.throughput_ratio >= NEAR * goal.speedup)
            and (goal.size is None or summary.bytes.ratio >= NEAR * goal.size)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        goal = self.goal
        return {
            "goal": present(speedup=goal.speedup, size=goal.size, max_drop=goal.max_drop, where=goal.where),
            "recipe": str(self.recipe),
            "tried": [one.to_json() for one in self.tried],
            "left_out": list(self.left_out),
            **present(
                chosen=self.chosen and self.chosen.name,
                folder=self.folder and str(self.folder),
                report=self.report and self.report.to_json(),
            ),
            **({"met": self.met} if self.tried else {}),
        }


def row(one: Tried, goal: Goal, chosen: Tried | None) -> tuple[str, ...]:
    """A line of the table of what was tried."""
    mark = "taken" if one is chosen else "" if one.holds(goal) else "costs too much"
    return (
        one.name,
        score(one.score),
        change(-one.drop),
        ratio(one.speedup),
        ratio(one.size),
        f"{one.wall_s:.0f}",
        mark,
    )


HEAD = ("tried", "search", "change", "throughput", "smaller", "seconds", "")


def taken_back(record: StageRecord, dense: float) -> tuple[float, float] | None:
    """(speed, points below the dense model) of a search's last point, where its own budget undid it.

    Args:
        record: of the stage.
        dense: the dense model's score on the search split, points.
    """
    points, most = record.told.frontier, record.applied.config.get("max_drop")
    if not points or not isinstance(most, int | float) or dense - points[-1].score <= most:
        return None
    return points[-1].speedup, dense - points[-1].score


def bits_of(records: Sequence[StageRecord]) -> dict[str, float]:
    """What a stage that timed several precisions found."""
    timed = (one for record in records for one in record.told.precisions)
    return {_BITS[one.stored_as]: one.times for one in timed if one.stored_as in _BITS}
