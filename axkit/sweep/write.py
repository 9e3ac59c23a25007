"""The files of a sweep, written anew after every run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from axkit.ground.files import replacing
from axkit.report.page.comparison import Group, comparison_page
from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn
from axkit.report.plots.canvas import alone, can_draw
from axkit.report.plots.comparison import Point, comparison_svg
from axkit.run.report import Machine
from axkit.sweep.run import Outcome
from axkit.sweep.table import Row, dominated_by, finished, reference, rows_of
from axkit.sweep.text import (
    HEAD,
    RUN_HEAD,
    frontier_lines,
    machine_lines,
    plot_name,
    row_cells,
    run_cells,
    score_lines,
    sweep_text,
)

FORMAT = 1


def write_sweep(outcomes: Sequence[Outcome], out: Path) -> dict[str, Any]:
    """Write ``sweep.json``, ``sweep.html``, ``sweep.md`` and ``frontier-<task>.svg``.

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
    for task in dict.fromkeys(row.task for row in rows if row.n and can_draw()):
        _write(out / plot_name(task), alone(_plot([row for row in rows if row.task == task and row.n], "frontier")))
    _write(out / "sweep.md", sweep_text(outcomes, rows, machines))
    _write(out / "sweep.html", _page(outcomes, rows, machines))
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
        "overrides": list(run.written.overrides),
        "state": outcome.state,
        "error": outcome.error,
        "trace": outcome.trace,
        "attempts": outcome.attempts,
        "wall_s": outcome.wall_s,
        "at_a_time": outcome.at_a_time,
        "summary": report.summary.to_json() if report else None,
        "stages": [stage.in_short() for stage in (report.stages if report else ())],
    }


def _page(outcomes: Sequence[Outcome], rows: Sequence[Row], machines: Sequence[Machine]) -> str:
    tasks = dict.fromkeys(row.task for row in rows)
    groups = [_group(number, task, [row for row in rows if row.task == task]) for number, task in enumerate(tasks)]
    failed = tuple(f"{one.run.name}: {one.error}" for one in outcomes if one.report is None)
    runs = Grid("Each run", RUN_HEAD, tuple(run_cells(outcome) for outcome in outcomes))
    return comparison_page("Sweep", groups, [Group("Runs", runs, notes=failed)], machine_lines(outcomes, machines))


def _group(number: int, task: str, rows: Sequence[Row]) -> Group:
    done, drawn = [row for row in rows if row.n], Drawn()
    if done:
        drawn.add("plot", partial(_plot, done, f"plot-{number}"))
    metric = next((row.metric_name for row in done), "metric")
    grid = Grid(f"Test {metric}, means over seeds", (HEAD[0], *_named(metric)), tuple(map(row_cells, rows)))
    return Group(task, grid, drawn, (*score_lines(rows), *(frontier_lines(done) if done else ())))


def _named(metric: str) -> tuple[str, ...]:
    return tuple(cell.format(metric=metric) for cell in HEAD[1:])


def _plot(rows: Sequence[Row], name: str) -> str:
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
    dense = first.figures.metric_dense.mean
    return comparison_svg(points, first.row.metric_name, first.row.model, dense, name)


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
