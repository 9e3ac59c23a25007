"""The whole of ``axkit sweep``: plan, keep what is finished, run the rest, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from axkit.ground.errors import AxkitError, Interrupted, RecipeError
from axkit.ground.figures import quantity, score, times
from axkit.ground.processes import current
from axkit.ground.progress import Progress, Silent
from axkit.ground.signals import code_of
from axkit.run.report import Report
from axkit.run.verdict import change_cell, speed_cell
from axkit.sweep.plan import PlannedRun, Wanted, plan_sweep
from axkit.sweep.run import Outcome, clean, finished_report, run_in_sequence

Runner = Callable[[list[PlannedRun], Progress, Callable[[Outcome], None]], list[Outcome]]


def sweep(
    wanted: Wanted, runner: Runner = run_in_sequence, progress: Progress | None = None, force: bool = False
) -> list[Outcome]:
    """Run every combination and write ``sweep.json``, ``sweep.md`` and a plot per task.

    Args:
        wanted: what to run.
        runner: in sequence here, or on Ray.
        progress: told what is going on.
        force: make runs again whose folder holds another run.

    Returns:
        One Outcome per combination, in the order of recipes, tasks, seeds; failed ones too.

    Raises:
        RecipeError: all faults of all combinations, before anything runs.
        AxkitError: interrupted, or another sweep runs in the same folder.
    """
    from filelock import FileLock, Timeout

    if current().count > 1:
        raise AxkitError(
            "a sweep starts as one process; leave the launcher out, and use --on ray to run several at a time"
        )
    progress = progress or Silent()
    runs = plan_sweep(wanted)
    kept = finished_runs(runs, force)
    out = Path(wanted.out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".sweep.lock", timeout=0):
            return _run(runs, kept, out, runner, progress)
    except Timeout:
        raise AxkitError(f"another sweep runs in {out}; wait for it, or choose another --out") from None
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"interrupted; finished runs and stages are kept in {out}: run the same command to go on",
            code_of(stopped),
        ) from None


def _run(
    runs: list[PlannedRun], kept: dict[str, Outcome], out: Path, runner: Runner, progress: Progress
) -> list[Outcome]:
    from axkit.sweep.write import write_sweep

    left = [run for run in runs if run.folder not in kept]
    stages = [name for run in left for name in run.stages[1:]]
    progress.say(
        f"{len(runs)} runs, {len(kept)} of them finished earlier; {len(left)} to make, of {len(stages)} stages, "
        f"{len(set(stages))} of them different"
    )
    outcomes = dict(kept)

    def told(outcome: Outcome) -> None:
        outcomes[outcome.run.folder] = outcome
        progress.say(line(outcome))
        if outcome.trace:
            progress.say(outcome.trace)
        write_sweep([outcomes[run.folder] for run in runs if run.folder in outcomes], out)

    if left:
        runner(left, progress, told)
    in_order = [outcomes[run.folder] for run in runs]
    write_sweep(in_order, out)
    clean(out, runs)
    return in_order


def finished_runs(runs: list[PlannedRun], force: bool) -> dict[str, Outcome]:
    """Runs that are finished, by folder.

    Raises:
        RecipeError: folders that hold something else.
        AxkitError: a report that cannot be read, where it is not to be made again anyway.
    """
    kept: dict[str, Outcome] = {}
    faults = []
    for run in runs:
        if not Path(run.folder).exists():
            continue
        report = _report(run, force)
        if report is not None and report.key == run.key:
            kept[run.folder] = Outcome(run, "kept", report=report)
        elif not force:
            faults.append(
                f"{run.folder} holds another run: its recipe, settings, model, data or versions differ; "
                f"add --force to make it again, or choose another --out"
            )
    if faults:
        raise RecipeError(faults)
    return kept


def _report(run: PlannedRun, force: bool) -> Report | None:
    try:
        return finished_report(run)
    except AxkitError:
        if force:  # whatever it was, it is made again
            return None
        raise


def line(outcome: Outcome) -> str:
    """A finished run in one line, for the terminal."""
    name = outcome.run.name
    if outcome.report is None:
        return f"{name}: {outcome.state}: {outcome.error}"
    summary = outcome.report.summary
    smaller = times(summary.bytes.ratio, "smaller", "larger", "as large")
    faster = speed_cell(summary.speeds.rounds, "b32", summary.speeds.throughput_ratio)
    return (
        f"{name}: {outcome.state}: {summary.quality.metric_name} {score(summary.quality.result.points)}, "
        f"{change_cell(summary)}, {smaller}, {faster} throughput, {quantity(outcome.wall_s)} s"
    )


def runner_of(on: str, options: Mapping[str, Any]) -> Runner:
    """The runner that the command line names.

    Args:
        on: ``local`` or ``ray``.
        options: of Ray alone, those that were given: address, workers, retries.

    Raises:
        AxkitError: options of Ray without it, or ray is not installed.
    """
    if on == "ray":
        from axkit.sweep.on_ray import OnRay

        return OnRay(**options)
    if options:
        raise RecipeError(f"--{next(iter(options))} is of Ray; add --on ray, or leave it out")
    return run_in_sequence


def failure(outcomes: Sequence[Outcome]) -> str:
    """One sentence on the runs that did not finish; empty where all did."""
    lost = [outcome for outcome in outcomes if outcome.report is None]
    if not lost:
        return ""
    told = "; ".join(f"{one.run.name}: {one.error}" for one in lost)
    return f"{len(lost)} of {len(outcomes)} runs did not finish; mend that and run the same command again ({told})"
