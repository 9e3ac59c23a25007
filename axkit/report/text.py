"""report.md: the same figures as report.json, for a person."""

from __future__ import annotations

from axkit.ground.figures import quantity
from axkit.report.left import what_is_left
from axkit.report.tables import metric_lines, stage_rows, stage_tables, summary_rows, table_lines
from axkit.report.words import control_lines, gain_lines, headline, how_measured, left_out_lines, recommend_lines
from axkit.run.report import Machine, Report
from axkit.run.row_counts import RowCounts
from axkit.run.spent import RunSpent


def report_text(report: Report) -> str:
    """The whole report as Markdown."""
    summary, stages = report.summary, report.stages
    lines = [
        f"# {report.name}",
        "",
        headline(summary),
        "",
        *table_lines(("figure", "dense", "result", "change"), summary_rows(summary)),
        "",
        how_measured(summary),
        "",
        *gain_lines(summary),
        *metric_lines(summary.quality),
        *control_lines(summary.control),
        "",
        *left_out_lines(report.left_out),
        *_recommended(recommend_lines(summary.recommend, report.machine.timed_on(summary.spent.where))),
        *_section(
            "Stages", table_lines(("pass", "search metric", "MB", "throughput", "seconds", "note"), stage_rows(stages))
        ),
        *_section("What is left", ["```", *what_is_left(stages[-1].structure), "```"]),
        *stage_tables(stages),
        *_section("Data", [data_line(summary.rows)]),
        *_section("Machine", [machine_line(report.machine, summary.spent)]),
        *_section("Recipe", ["```yaml", report.recipe.rstrip(), "```", *_overrides(report.overrides)]),
    ]
    return "\n".join(lines)


def _recommended(lines: list[str]) -> list[str]:
    return _section("Recommended", lines) if lines else []


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def data_line(rows: RowCounts) -> str:
    """How many rows there were, what was cut off them, which stand in two splits."""
    used = rows.used
    return (
        f"Rows: {used.train} train, {used.search} search, {used.test} test. Truncated: {rows.truncated.total}. "
        f"{_doubles(rows)}"
    )


def _doubles(rows: RowCounts) -> str:
    """Rows that stand in two splits, pair by pair."""
    pairs = [f"{count} of {pair}" for pair, count in rows.doubles.items()]
    if not pairs:
        return "No row of one split also stands in another."
    return f"Rows whose input also stands in another split: {', '.join(pairs)}."


def machine_line(machine: Machine, spent: RunSpent) -> str:
    """What the figures were measured on, memory and seconds."""
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return (
        f"{hardware(machine)}, {_threads(machine, spent)}, {machine.cpu_capability}; {machine.system}, "
        f"Python {machine.python}; {packages}. "
        f"Peak memory {spent.peak_memory_bytes / 2**30:.2f} GiB, {quantity(spent.wall_s)} s."
    )


def hardware(machine: Machine) -> str:
    """Processor and GPUs."""
    return ", ".join(name for name in (machine.processor, machine.gpu) if name)


def _threads(machine: Machine, spent: RunSpent) -> str:
    """What worked; speed was measured by one of the processes while the others waited."""
    each = f"{machine.threads} threads"
    return f"{spent.processes} processes of {each}" if spent.processes > 1 else each


def _overrides(overrides: tuple[str, ...]) -> list[str]:
    return ["", "Overrides: " + ", ".join(f"`{one}`" for one in overrides)] if overrides else []
