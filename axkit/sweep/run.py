"""One run of a sweep, and all of them in sequence."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axkit.ground.errors import AxkitError, CheckpointError
from axkit.ground.progress import Progress, Silent
from axkit.run.report import Report, read_report
from axkit.sweep.plan import PlannedRun

State = Literal["done", "kept", "failed", "crashed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: as planned.
        state: ``kept`` was finished by an earlier sweep; ``failed`` is something the user can mend, ``crashed`` a bug.
        error: one sentence, or a traceback's last line; empty where the run is finished.
        trace: of a crash.
        attempts: how often it was started; more than one where its process was killed.
        wall_s: of this sweep, 0 where it was kept.
        at_a_time: runs that may have been going at the time, this one too; beside others a machine's timing is noisier.
        report: of the run; None where it is not finished.
    """

    run: PlannedRun
    state: State
    error: str = ""
    trace: str = ""
    attempts: int = 1
    wall_s: float = 0.0
    at_a_time: int = 1
    report: Report | None = None


def finished_report(run: PlannedRun) -> Report | None:
    """The report of a run folder that is there, whatever made it; None where there is none."""
    try:
        return read_report(Path(run.folder))
    except FileNotFoundError:
        return None
    except CheckpointError as error:
        raise AxkitError(f"{error}; remove the folder {run.folder}") from error


@dataclass(frozen=True)
class Ended:
    """How a run ended, wherever it was made; the report is in its folder. As in ``Outcome``."""

    state: State
    error: str
    trace: str
    wall_s: float


def run_here(values: dict[str, Any], folder: str, progress: Progress | None = None) -> Ended:
    """Make one run, in this process.

    Args:
        values: of a PlannedRun, as its ``to_json`` gives them; plain, so that they come through to another process.
        folder: the working directory that relative paths are meant from.
        progress: told what is going on.

    Returns:
        How it ended.
    """
    start = time.perf_counter()
    state: State = "done"
    said = trace = ""
    try:
        with chdir(folder):
            _make(PlannedRun.from_json(**values), progress or Silent())
    except AxkitError as error:
        state, said = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - a bug in one run must not take the others along; it is told at the end
        state, said, trace = "crashed", f"{type(error).__name__}: {error}", traceback.format_exc()
    return Ended(state, said, trace, time.perf_counter() - start)


def _make(run: PlannedRun, progress: Progress) -> None:
    from axkit.report import write_run
    from axkit.run.engine import apply
    from axkit.run.recipe import read_source

    written = run.written
    source = read_source(written.text, written.label, written.overrides, written.place)
    write_run(apply(source, progress=progress, stages=run.store, device=run.device), Path(run.folder))


def run_in_sequence(runs: Sequence[PlannedRun], progress: Progress, told: Callable[[Outcome], None]) -> list[Outcome]:
    """One after another, in this process."""
    outcomes = []
    for number, run in enumerate(runs, 1):
        progress.say(f"[{number}/{len(runs)}] {run.name}")
        outcome = as_outcome(run, run_here(run.to_json(), os.getcwd(), progress))
        told(outcome)
        outcomes.append(outcome)
    return outcomes


def as_outcome(run: PlannedRun, found: Ended) -> Outcome:
    """What ``run_here`` said, with the report that it left."""
    report = finished_report(run) if found.state == "done" else None
    if found.state == "done" and report is None:
        error = (
            f"{run.folder} is not on this machine although its run has ended; "
            f"give an --out that all machines of the cluster share"
        )
        return Outcome(run, "failed", error, wall_s=found.wall_s)
    return Outcome(run, found.state, found.error, found.trace, wall_s=found.wall_s, report=report)


def clean(out: Path, runs: Sequence[PlannedRun]) -> None:
    """Drop stages that no run of the sweep uses, and what killed processes left half-written."""
    from axkit.ground.owners import sweep_out
    from axkit.run.store import StageStore

    store = StageStore(Path(runs[0].store), shared=True)
    store.keep_only({name for run in runs for name in run.stages})
    for folder in {Path(run.folder).parent for run in runs}:
        sweep_out(folder)
