"""sweep.md: the same figures as sweep.json, for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from axkit.ground.figures import change, quantity, ratio, score
from axkit.report.plots.canvas import can_draw
from axkit.report.tables import MIB, table_lines
from axkit.run.report import Machine
from axkit.run.verdict import OF_ITS_OWN, change_cell, mark, speed_cell
from axkit.sweep.run import Outcome
from axkit.sweep.table import Figure, Row, dominated_by, figures_of, reference

HEAD = ("recipe", "n", "{metric} dense", "result", "change", "bytes", "MB", "throughput", "latency b1")
RUN_HEAD = ("recipe", "task", "seed", "dense", "result", "change", "bytes", "throughput", "latency b1", "state")

_MARKED = (
    " A change that chance would explain (paired test of each run, 5 %) is marked, and so is one up to what one and "
    "the same answer to every row scores; so is a speed that the noise of the machine would explain."
)


def plot_name(task: str) -> str:
    """File name of a task's plot."""
    return f"frontier-{task}.svg"


def sweep_text(outcomes: Sequence[Outcome], rows: Sequence[Row], machines: Sequence[Machine]) -> str:
    """The whole comparison as Markdown."""
    lines = ["# Sweep", ""]
    for task in dict.fromkeys(row.task for row in rows):
        lines += _task_lines([row for row in rows if row.task == task])
    failed = [outcome for outcome in outcomes if outcome.report is None]
    lines += ["## Runs", "", *table_lines(RUN_HEAD, [_linked(outcome) for outcome in outcomes]), ""]
    if failed:
        lines += ["Not finished:", "", *(f"- {one.run.name}: {one.error}" for one in failed), ""]
    lines += ["## Machine", ""]
    for told in machine_lines(outcomes, machines):
        lines += [told, ""]
    return "\n".join(lines)


def machine_lines(outcomes: Sequence[Outcome], machines: Sequence[Machine]) -> list[str]:
    """Where runs were made, and with what, a line for each machine; and how many were going at a time."""
    lines = [machine_text(machine) for machine in machines]
    beside = max((outcome.at_a_time for outcome in outcomes), default=1)
    if beside > 1:
        lines.append(
            f"Up to {beside} runs were going at a time. A run times its two models in turn, but runs on one machine "
            f"disturb each other: make the figures that matter one at a time."
        )
    return lines


def machine_text(machine: Machine) -> str:
    """A machine, and what a run computed with there."""
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return (
        f"{machine.processor}, {machine.threads} threads, {machine.cpu_capability}; {machine.system}, "
        f"Python {machine.python}; {packages}."
    )


def _task_lines(rows: Sequence[Row]) -> list[str]:
    task, done = rows[0].task, [row for row in rows if row.n]
    metric = next((row.metric_name for row in done), "metric")
    lines = [f"## {task}", ""]
    lines += table_lines([cell.format(metric=metric) for cell in HEAD], [row_cells(row) for row in rows])
    for told in score_lines(rows):
        lines += ["", told]
    if done:
        drawn = [f"![frontier]({plot_name(task)})", ""] if can_draw() else []
        lines += ["", *drawn, *frontier_lines(done)]
    return [*lines, ""]


def score_lines(rows: Sequence[Row]) -> list[str]:
    """What the figures of a task's table are, and what is marked in it."""
    done = [row for row in rows if row.n]
    note = "Test split, which no decision used; ratios are to the run's own dense model, timed in turn with it."
    spread = " Means over n seeds (lowest to highest)." if any(row.n > 1 for row in done) else ""
    return [note + spread + _MARKED, *([OF_ITS_OWN] if any(row.unlabelled for row in done) else [])]


def frontier_lines(rows: Sequence[Row]) -> list[str]:
    """Which recipes of a task are on the frontier of metric, throughput and bytes, and what leads the others."""
    beaten = {row.recipe: [one.recipe for one in dominated_by(row, rows)] for row in rows}
    front = [recipe for recipe, by in beaten.items() if not by]
    lines = [
        f"On the frontier (no other recipe is at least as good in test {rows[0].metric_name}, throughput and bytes, by "
        f"the means): {', '.join(front)}."
    ]
    lines += [f"Behind: {recipe}, by {', '.join(by)}." for recipe, by in beaten.items() if by]
    if len({row.model for row in rows}) > 1:
        lines.append(
            f"The recipes start from different models: throughput is compared as a multiple of the dense "
            f"{reference(rows).row.model}, and how the dense models compare was timed in different runs."
        )
    return lines


def row_cells(row: Row) -> list[str]:
    """A recipe on a task; see ``HEAD``."""
    figures = row.figures
    if figures is None:
        return [row.recipe, f"0 of {row.runs}", *[""] * 7]
    return [
        row.recipe,
        str(row.n) if row.n == row.runs else f"{row.n} of {row.runs}",
        _spread(figures.metric_dense, score),
        _spread(figures.metric_result, score),
        _spread(figures.metric_change, change) + mark(row.verdicts),
        _spread(figures.bytes_ratio, ratio),
        quantity(figures.bytes_result.mean / MIB, 1),
        _spread(figures.throughput_b32_ratio, ratio),
        _spread(figures.latency_b1_ratio, ratio),
    ]


def _spread(figure: Figure, form: Callable[[float], str]) -> str:
    mean, low, high = (form(value) for value in (figure.mean, figure.low, figure.high))
    return mean if low == high else f"{mean} ({low} to {high})"


def run_cells(outcome: Outcome) -> list[str]:
    """A run; see ``RUN_HEAD``."""
    run = outcome.run
    state = outcome.state + (f", started {outcome.attempts} times" if outcome.attempts > 1 else "")
    if outcome.report is None:
        return [run.recipe, run.task, str(run.seed), *[""] * 6, state]
    summary = outcome.report.summary
    one, rounds = figures_of(summary), summary.speeds.rounds
    return [
        run.recipe,
        run.task,
        str(run.seed),
        score(one.metric_dense),
        score(one.metric_result),
        change_cell(summary),
        ratio(one.bytes_ratio),
        speed_cell(rounds, "b32", one.throughput_b32_ratio),
        speed_cell(rounds, "b1", one.latency_b1_ratio),
        state,
    ]


def _linked(outcome: Outcome) -> list[str]:
    """The same, with the way to its own report."""
    run, (name, *cells) = outcome.run, run_cells(outcome)
    way = f"{run.recipe}/{run.task}/{run.seed}/report.md"
    return [name if outcome.report is None else f"[{name}]({way})", *cells]
