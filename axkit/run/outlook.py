"""What a whole plan will take here: time, memory and disk. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from axkit.contract.passes import Effort, Workload
from axkit.ground.figures import quantity, span
from axkit.ground.quota import memory_bytes
from axkit.run.forecast import free_bytes, gib
from axkit.run.keys import stage_keys, stage_names
from axkit.run.planning import Plan
from axkit.run.rate import Rate
from axkit.run.stage_cost import COMPARED_ROWS, TIMED_ROWS
from axkit.run.steps import PlannedStep, along

_SPREAD = 0.8, 1.5  # of the time that is reckoned: kernels, padding, what else the machine does
_BEGIN_S = 3.0, 15.0  # libraries are loaded, rows read, models opened
_STAGE_S = 0.2, 3.0  # a model is copied, saved, hashed; what trains has libraries of its own to load
_LIBRARIES = 600 * 2**20  # bytes of a process that has torch, transformers and some rows
_SEARCHED = 3 * 2**29  # bytes that kernels keep of the thousands of shapes that a search multiplies; 0.6 to 2.8 GiB
_FLOAT = 4  # bytes

Span = tuple[float, float | None]


@dataclass(frozen=True)
class StageOutlook:
    """What one stage will take.

    Attributes:
        step: its place in the recipe.
        name: of the pass.
        time_s: seconds from the least to the most, measuring among them; None at most where the pass does not tell.
        memory_bytes: at its peak, about; what the pass tells, and the models.
        disk_bytes: of the model that is kept, at most.
        work_disk_bytes: while it runs, such as checkpoints.
        is_finished: an earlier run has left it: on the same machine it costs nothing again.
        is_foreseen: the pass says what it takes.
    """

    step: int
    name: str
    time_s: Span
    memory_bytes: int
    disk_bytes: int
    work_disk_bytes: int = 0
    is_finished: bool = False
    is_foreseen: bool = True

    @property
    def told(self) -> str:
        """Its time, in a few words."""
        return "finished earlier" if self.is_finished else span(self.time_s)


@dataclass(frozen=True)
class Outlook:
    """What a plan will take on this machine's processor.

    Attributes:
        stages: each.
        compared_s: seconds beside them: to begin, and to measure dense model and result on the test split.
        dense_disk_bytes: of the model as it comes, and of the result's folder.
        gflops: of large float32 products here, in 10^9 operations a second, measured just now.
        memory_there_bytes: that this process may have; None where nobody tells.
        disk_free_bytes: likewise.
        folder: where stages and result go.
    """

    stages: tuple[StageOutlook, ...]
    compared_s: tuple[float, float]
    dense_disk_bytes: int
    gflops: float
    memory_there_bytes: int | None
    disk_free_bytes: int | None
    folder: str

    @classmethod
    def of(cls, plan: Plan, runs: str | Path = "runs") -> Outlook | None:
        """Of a plan; None where the model's config leaves its sizes to defaults.

        Args:
            plan: whose rows are read where that was not done before.
            runs: folder that finished stages are kept under.
        """
        work = plan.given.workload()
        if work is None:
            return None
        typical, rate = plan.given.typical(work) or work, Rate.here()
        stages = tuple(_stages(plan, typical, rate, Path(runs)))
        rows = 2 * work.rows["test"] + COMPARED_ROWS
        if not plan.baseline:  # it is measured before the first stage
            rows += work.rows["search"]
        low, high = (rows * rate.row_s(typical) * share for share in _SPREAD)
        return cls(
            stages,
            (low / 2 + _BEGIN_S[0], high + _BEGIN_S[1]),  # the result may be much faster than the dense model
            _FLOAT * work.values + (stages[-1].disk_bytes if stages else 0),
            rate.gflops,
            memory_bytes(),
            free_bytes(Path(runs)),
            str(runs),
        )

    @property
    def time_s(self) -> Span:
        """Seconds of the whole run, from the least to the most."""
        low, most = self.compared_s
        high: float | None = most
        for one in self.stages:
            if not one.is_finished:
                low += one.time_s[0]
                high = None if high is None or one.time_s[1] is None else high + one.time_s[1]
        return low, high

    @property
    def memory_bytes(self) -> int:
        """At the peak of the largest stage, about."""
        return max((one.memory_bytes for one in self.stages), default=0)

    @property
    def disk_bytes(self) -> int:
        """Of all that is kept, and of what the largest stage keeps while it runs, at most."""
        work = max((one.work_disk_bytes for one in self.stages), default=0)
        return self.dense_disk_bytes + sum(one.disk_bytes for one in self.stages) + work

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; units are in the keys."""
        whole = {"time_s": self.time_s, "memory_bytes": self.memory_bytes, "disk_bytes": self.disk_bytes}
        return {**whole, **asdict(self)}

    def told(self) -> Iterator[tuple[str, str]]:
        """(what, in words), for a person."""
        unknown = [one.name for one in self.stages if not one.is_foreseen]
        done = sum(one.is_finished for one in self.stages)
        parts = [f"{span(self.time_s)} on this processor, at {quantity(self.gflops)} GFLOP/s measured just now"]
        parts += [f"{done} of {len(self.stages)} stages finished earlier are not counted"] if done else []
        parts += [f"not foreseen: {', '.join(unknown)}"] if unknown else []
        yield "time", "; ".join(parts)
        there = "" if self.memory_there_bytes is None else f" of {gib(self.memory_there_bytes)}"
        yield "memory", f"about {gib(self.memory_bytes)}{there}"
        free = "" if self.disk_free_bytes is None else f", {gib(self.disk_free_bytes)} free"
        yield "disk", f"at most {gib(self.disk_bytes)} in {self.folder}{free}"

    def warnings(self) -> Iterator[str]:
        """Where memory or disk may be too small."""
        if self.memory_there_bytes is not None and self.memory_bytes > self.memory_there_bytes:
            largest = max(self.stages, key=lambda one: one.memory_bytes)
            yield (
                f"pass {largest.step} '{largest.name}' may take {gib(self.memory_bytes)} of memory, and there are "
                f"{gib(self.memory_there_bytes)}; lower batch_size, max_length, search_rows, mend_rows or cache_gib"
            )
        if self.disk_free_bytes is not None and self.disk_bytes > self.disk_free_bytes:
            yield (
                f"stages may take {gib(self.disk_bytes)} in {self.folder}, which has {gib(self.disk_free_bytes)} free; "
                f"free some, or name another folder with --out"
            )


def _stages(plan: Plan, dense: Workload, rate: Rate, runs: Path) -> Iterator[StageOutlook]:
    """Each stage, of the model as those before it leave it."""
    slow = fast = 1.0  # times as fast as its layers say: at least, at most
    done = _finished(plan, runs)
    for step, work, gain in along(plan.steps, dense):
        assert work is not None, "of a workload comes a workload"
        effort, row_s = step.foresee_effort(work), rate.row_s(work)
        low, high = (0.0, None) if effort is None else effort.rows
        measured = work.rows["search"] + TIMED_ROWS
        held = work.rows["search"] if step.budget is not None else 0  # it may have to be known how the model did before
        time: Span = (
            _STAGE_S[0] + _SPREAD[0] * row_s * (low + measured) / fast,
            None if high is None else _STAGE_S[1] + _SPREAD[1] * row_s * (high + measured + held) / slow,
        )
        left, known = work if gain is None else gain.left_of(work), effort or Effort()
        yield StageOutlook(
            step.index,
            step.name,
            time,
            _at_rest(plan, step, dense, work) + known.memory_bytes,
            _FLOAT * left.values,
            known.disk_bytes,
            step.index in done,
            effort is not None,
        )
        if gain is not None and gain.layers is None:
            slow, fast = slow * gain.speed[0], fast * (gain.speed[1] or gain.speed[0])


def _at_rest(plan: Plan, step: PlannedStep, dense: Workload, now: Workload) -> int:
    """Bytes of libraries and of models that are alive: the one before, the copy that is worked on, the dense one."""
    models = 2 * now.values + (dense.values if step.index >= plan.baseline else 0)
    return _LIBRARIES + _FLOAT * models + (_SEARCHED if step.foresee_search(now) else 0)


def _finished(plan: Plan, runs: Path) -> set[int]:
    """The steps that an earlier run has left in its folder, perhaps on another machine."""
    root = runs / ".stages" / plan.recipe.name
    if not root.is_dir():  # keys are hashes of whole models
        return set()
    names = stage_names(plan, stage_keys(plan))[1:]
    return {step.index for step, name in zip(plan.steps, names, strict=True) if any(root.glob(f"{name}-*"))}
