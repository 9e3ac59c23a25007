"""What the searches of a plan will take here: rows, tokens, candidates, disk, hours. Imports no torch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from axkit.anatomy.family import Family
from axkit.contract.passes import SearchWork, Workload
from axkit.ground.errors import StorageError
from axkit.ground.figures import quantity
from axkit.ground.target import Target
from axkit.run.steps import PlannedStep
from axkit.run.token_counts import mean_tokens
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.source.rows import TaskRows
from axkit.tasks.spec import TaskSpec

_SHARE = 0.65  # of what large products reach that a whole encoder does; BERT of 384 and 768 wide, float32
_TURNS, _SHAPE = 12, (512, 768, 3072)  # of the product that is timed: rows, in, out


@dataclass(frozen=True)
class Given:
    """What a plan has read.

    Attributes:
        family: of the model.
        config: its config.json.
        folder: of the model.
        spec: of the task.
        rows: of the task.
        target: of the recipe.
    """

    family: Family
    config: Mapping[str, Any]
    folder: Path
    spec: TaskSpec
    rows: TaskRows
    target: Target

    def workload(self) -> Workload | None:
        """How much there is to do; None where the model's config leaves its sizes to defaults."""
        config, spec = SimpleNamespace(**self.config), self.spec
        try:
            sizes = [self.family.size(config, what) for what in ("layers", "hidden", "ffn_width", "heads")]
            tokens = self.family.image_tokens(config) if self.family.inputs == "pixels" else spec.max_length
        except (AttributeError, TypeError):
            return None
        limits = [self.config.get(name) for name in ("max_position_embeddings", "n_positions")]
        tokens = min([tokens, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])
        rows: dict[str, int] = {name: len(split) for name, split in self.rows.splits.items()}
        layers, hidden, width, heads = sizes
        return Workload(rows, tokens, kind_of(spec.kind).windows, layers, hidden, width, self.target, heads)


@dataclass(frozen=True)
class Room:
    """Where cached hidden states go.

    Attributes:
        cache_bytes: of all of them, about.
        file_bytes: of them past the memory that they may have, about.
        most_file_bytes: if every row were as long as the task allows.
        folder: of files.
        free_bytes: there; None where nobody tells.
    """

    cache_bytes: int
    file_bytes: int
    most_file_bytes: int
    folder: str
    free_bytes: int | None

    @property
    def fits(self) -> bool:
        """Whether the files have room, as far as is known."""
        return self.free_bytes is None or self.file_bytes <= self.free_bytes


@dataclass(frozen=True)
class Hours:
    """How long a search takes on this machine.

    Attributes:
        least: if no block comes near; of a budget, its rounds as they are asked for.
        most: if every part is tried, and on all rows; of a budget, all the rounds that it may add.
        gflops: of large float32 products here, in 10^9 operations a second, measured just now.
    """

    least: float
    most: float
    gflops: float


@dataclass(frozen=True)
class Forecast:
    """What one search will take.

    Attributes:
        step: its place in the recipe.
        name: of the pass.
        work: as the pass foresees it, with rows of typical length.
        tokens: of the rows that candidates are looked at on, about.
        counted: whether they are counted on some of the rows; else each row has as many as the task allows.
        room: for hidden states.
        hours: None where nobody asked, or the pass does not foresee how many candidates there will be.
    """

    step: int
    name: str
    work: SearchWork
    tokens: int
    counted: bool
    room: Room
    hours: Hours | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; units are in the keys."""
        return {**asdict(self), "fits": self.room.fits}

    def told(self) -> str:
        """One sentence for a person."""
        work, room = self.work, self.room
        confirmed = f", {work.fresh_rows:,} more to confirm on" if work.fresh_rows else ""
        parts = [
            f"looks at {work.rows:,} rows{confirmed}; {'about' if self.counted else 'at most'} {self.tokens:,} tokens"
        ]
        if work.candidates is not None:
            parts.append("{:,} to {:,} candidates".format(*work.candidates))
        free = "" if room.free_bytes is None else f", {_gib(room.free_bytes)} free"
        files = f", {_gib(room.file_bytes)} of it in files ({room.folder}{free})" if room.file_bytes else ", in memory"
        parts.append(f"about {_gib(room.cache_bytes)} of hidden states{files}")
        if work.matrix_bytes:
            parts.append(f"{_gib(work.matrix_bytes)} of matrices to refit by, in memory")
        if self.hours is not None:
            span = f"{quantity(self.hours.least, 2)} to {quantity(self.hours.most, 2)} hours"
            rate = f"reckoned from products at {quantity(self.hours.gflops, 2)} GFLOP/s, measured just now"
            parts.append(f"{span} here without screening ({rate})")
        return "; ".join(parts)

    def warning(self) -> str:
        """Where the disk may be too small; empty where it is not."""
        room = self.room
        if room.free_bytes is None or room.most_file_bytes <= room.free_bytes:
            return ""
        may = "will not" if not room.fits else "may not"
        return (
            f"the hidden states {may} fit: {_gib(room.file_bytes)} in files, {_gib(room.most_file_bytes)} at most, and "
            f"{room.folder} has {_gib(room.free_bytes)} free; lower search_rows, raise cache_gib or name another "
            f"folder in AXKIT_TEMP"
        )


def forecasts(steps: Sequence[PlannedStep], given: Given, timed: bool = True) -> tuple[Forecast, ...]:
    """Of each step that searches.

    Args:
        steps: of the plan.
        given: what it has read.
        timed: whether to measure how fast this machine multiplies, in a tenth of a second, for ``hours``.
    """
    work = given.workload()
    if work is None or not any(step.foresee_search(work) for step in steps):
        return ()
    mean = mean_tokens(given.folder, given.rows.splits["search"].texts, work.tokens, work.windows)
    pixels = given.family.inputs == "pixels"
    typical = replace(work, tokens=work.tokens if mean is None or pixels else max(1, round(mean)))
    gflops = _gflops() if timed else None
    return tuple(_forecasts(steps, work, typical, mean is not None or pixels, gflops))


def _forecasts(
    steps: Sequence[PlannedStep], most: Workload, typical: Workload, counted: bool, gflops: float | None
) -> Iterator[Forecast]:
    for step in steps:
        work, worst = step.foresee_search(typical), step.foresee_search(most)
        if work is None or worst is None:
            continue
        room = Room(work.cache_bytes, work.file_bytes, worst.file_bytes, work.folder, _free(Path(work.folder)))
        hours = None if gflops is None or work.passes is None else _hours(work, typical, work.passes, gflops)
        yield Forecast(step.index, step.name, work, work.rows * typical.tokens, counted, room, hours)


def _hours(work: SearchWork, typical: Workload, passes: tuple[float, float], gflops: float) -> Hours:
    operations = work.rows * typical.tokens * typical.layers * typical.layer_operations
    each = operations / (gflops * 1e9 * _SHARE) / 3600
    extra = work.fresh_rows / work.rows  # one pass over the rows to confirm on
    return Hours((passes[0] + extra) * each, (passes[1] + extra) * each, gflops)


def check_room(found: Sequence[Forecast]) -> None:
    """Refuse what has no room, before anything is computed.

    Raises:
        StorageError: hidden states of rows as they are do not fit.
    """
    for one in found:
        if not one.room.fits:
            raise StorageError(f"pass {one.step} '{one.name}': {one.warning()}")


def _gflops() -> float:
    """The best of several large products: what else runs can only make one longer."""
    rows, inner, outer = _SHAPE
    left, right = np.ones((rows, inner), np.float32), np.ones((inner, outer), np.float32)
    best = float("inf")
    for _ in range(_TURNS):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * outer / best / 1e9


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _gib(size: float) -> str:
    return f"{quantity(size / 2**30, 2)} GiB"
