"""What the searches of a plan will take here: rows, tokens, candidates, disk, hours. Imports no torch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from axkit.anatomy.family import Family
from axkit.checkpoint.sources import count_parameters
from axkit.contract.passes import SearchWork, Workload
from axkit.ground.errors import StorageError
from axkit.ground.figures import quantity, span
from axkit.ground.target import Target
from axkit.run.rate import Rate
from axkit.run.steps import PlannedStep
from axkit.run.token_counts import mean_tokens
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.source.rows import TaskRows
from axkit.tasks.spec import TaskSpec


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
        windows, values = kind_of(spec.kind).windows, count_parameters(self.folder)
        embedded = hidden * sum(size for size in (self.config.get("vocab_size"), *limits) if isinstance(size, int))
        embedded = min(embedded, values)
        return Workload(rows, tokens, windows, layers, hidden, width, self.target, heads, values, embedded)

    def typical(self, work: Workload) -> Workload | None:
        """The same with rows of typical length; None where nobody can count their tokens."""
        if self.family.inputs == "pixels":
            return work
        mean = mean_tokens(self.folder, self.rows.splits["search"].texts, work.tokens, work.windows)
        return None if mean is None else replace(work, tokens=max(1, round(mean)), longest=work.tokens)


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
        free = "" if room.free_bytes is None else f", {gib(room.free_bytes)} free"
        files = f", {gib(room.file_bytes)} of it in files ({room.folder}{free})" if room.file_bytes else ", in memory"
        parts.append(f"about {gib(room.cache_bytes)} of hidden states{files}")
        if work.matrix_bytes:
            parts.append(f"{gib(work.matrix_bytes)} of matrices to refit by, in memory")
        if self.hours is not None:
            taken = span((3600 * self.hours.least, 3600 * self.hours.most))
            rate = f"reckoned from products at {quantity(self.hours.gflops, 2)} GFLOP/s, measured just now"
            parts.append(f"{taken} here without screening ({rate})")
        return "; ".join(parts)

    def warning(self) -> str:
        """Where the disk may be too small; empty where it is not."""
        room = self.room
        if room.free_bytes is None or room.most_file_bytes <= room.free_bytes:
            return ""
        may = "will not" if not room.fits else "may not"
        return (
            f"the hidden states {may} fit: {gib(room.file_bytes)} in files, {gib(room.most_file_bytes)} at most, and "
            f"{room.folder} has {gib(room.free_bytes)} free; lower search_rows, raise cache_gib or name another "
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
    typical = given.typical(work)
    rate = Rate.here() if timed else None
    return tuple(_forecasts(steps, work, typical or work, typical is not None, rate))


def _forecasts(
    steps: Sequence[PlannedStep], most: Workload, typical: Workload, counted: bool, rate: Rate | None
) -> Iterator[Forecast]:
    for step in steps:
        work, worst = step.foresee_search(typical), step.foresee_search(most)
        if work is None or worst is None:
            continue
        room = Room(work.cache_bytes, work.file_bytes, worst.file_bytes, work.folder, free_bytes(Path(work.folder)))
        hours = None if rate is None or work.passes is None else _hours(work, typical, work.passes, rate)
        yield Forecast(step.index, step.name, work, work.rows * typical.tokens, counted, room, hours)


def _hours(work: SearchWork, typical: Workload, passes: tuple[float, float], rate: Rate) -> Hours:
    each = work.rows * rate.row_s(typical) / 3600
    extra = work.fresh_rows / work.rows  # one pass over the rows to confirm on
    return Hours((passes[0] + extra) * each, (passes[1] + extra) * each, rate.gflops)


def check_room(found: Sequence[Forecast]) -> None:
    """Refuse what has no room, before anything is computed.

    Raises:
        StorageError: hidden states of rows as they are do not fit.
    """
    for one in found:
        if not one.room.fits:
            raise StorageError(f"pass {one.step} '{one.name}': {one.warning()}")


def free_bytes(folder: Path) -> int | None:
    """Of the disk that a folder is on, or will be; None where nobody tells."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return None


def gib(size: float) -> str:
    """Bytes, for a sentence."""
    return f"{quantity(size / 2**30, 2)} GiB"
