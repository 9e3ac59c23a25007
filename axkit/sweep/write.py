"""The files of a sweep, written anew after every run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from axkit.ground.files import replacing
from axkit.report.plot import Point, comparison_svg
from axkit.run.report import Machine
from axkit.sweep.run import Outcome
from axkit.sweep.table import Row, dominated_by, finished, reference, rows_of
from axkit.sweep.text import plot_name, sweep_text

FORMAT = 1


def write_sweep(outcomes: Sequence[Outcome], out: Path) -> dict[str, Any]:
    """Write ``sweep.json``, ``sweep.md`` and ``frontier-<task>.svg``.

    Args:
        outcomes: of the runs that have ended.
        out: the sweep's folder.

    Returns:
        The content of sweep.json.
    """
    rows = rows_of(outcomes)
    machines: list[Machine] = []
    for outcome in outcomes:
        if outcome.report is not None and outcome.report.machine not in machines:
            machines.append(outcome.report.machine)
    found: dict[str, Any] = {
        "format": FORMAT,
        "rows": [{**row.to_json(), "behind": _behind(row, rows)} for row in rows],
        "runs": [_run(outcome) for outcome in outcomes],
        "machines": [machine.to_json() for machine in machines],
    }
    _write(out / "sweep.json", json.dumps(found, indent=1, allow_nan=False))
    for task in dict.fromkeys(row.task for row in rows if row.n):
        _write(out / plot_name(task), _plot([row for row in rows if row.task == task and row.n]))
    _write(out / "sweep.md", sweep_text(outcomes, rows, machines))
    return found


def _behind(row: Row, rows: Sequence[Row]) -> list[str] | None:
    """The recipes that lead it; none on the frontier; None where it did not finish."""
    return [one.recipe for one in dominated_by(row, rows)] if row.n else None


def _run(outcome: Outcome) -> dict[str, Any]:
    run, report = outcome.run, outcome.report
    return {
        "recipe": run.recipe,
        "task": run.task,
        "model": run.model,
        "seed": run.seed,
        "folder": str(Path(run.recipe) / run.task / str(run.seed)),
        "overrides": list(run.overrides),
        "state": outcome.state,
        "error": outcome.error,
        "trace": outcome.trace,
        "attempts": outcome.attempts,
        "wall_s": outcome.wall_s,
        "at_a_time": outcome.at_a_time,
        "summary": report.summary.to_json() if report else None,
        "stages": [stage.in_short() for stage in (report.stages if report else ())],
    }


def _plot(rows: Sequence[Row]) -> str:
    points = [
        Point(
            label=one.row.recipe,
            speedup=one.row.speedup,
            score=one.figures.metric_result.mean,
            size_bytes=one.figures.bytes_result.mean,
            on_frontier=not dominated_by(one.row, rows),
        )
        for one in finished(rows)
    ]
    first = reference(rows)
    return comparison_svg(points, first.row.metric_name, first.row.model, first.figures.metric_dense.mean)


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
