"""The road of a run on the page: each stage with its settings, what passes told, where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.contract.registered import load_pass
from axkit.ground.errors import AxkitError
from axkit.ground.figures import quantity
from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn
from axkit.report.plots.answers import bars_svg
from axkit.report.tables import cells, columns, stage_rows
from axkit.run.records import StageRecord
from axkit.run.report import Report

MOST_ROWS = 100  # of a table that stand on the page
SENSITIVITY = "sensitivity"  # the name of a table with a layer and what it costs, drawn as well


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes:
        number: in the recipe, from 1.
        name: of the pass.
        purpose: what the pass is for; empty where it is not installed here.
        cells: (search metric, MB, throughput, seconds), as text.
        note: what it says of itself.
        undone: it went over its budget.
        settings: (name, value) as text, those that the recipe gave first.
        facts: (name, value) as text.
    """

    number: int
    name: str
    purpose: str
    cells: tuple[str, ...]
    note: str
    undone: bool
    settings: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tabled:
    """A table that a pass gave.

    Attributes:
        title: pass and table.
        name: of it on the page.
        grid: its first rows.
        count: how many it has.
        drawn: a plot of it, maybe.
    """

    title: str
    name: str
    grid: Grid
    count: int
    drawn: Drawn


def stages_of(stages: Sequence[StageRecord]) -> tuple[Stage, ...]:
    """All stages."""
    return tuple(_stage(one, row) for one, row in zip(stages, stage_rows(stages), strict=True))


def _stage(stage: StageRecord, row: tuple[str, ...]) -> Stage:
    name, *figures, note = row
    return Stage(
        number=stage.applied.index + 1,
        name=name,
        purpose=_purpose(stage.applied.name),
        cells=tuple(figures),
        note=note,
        undone=stage.undone,
        settings=tuple((key, _shown(value)) for key, value in stage.applied.config.items()),
        facts=tuple((key.replace("_", " "), _shown(value)) for key, value in stage.told.facts.items()),
    )


def _purpose(name: str) -> str:
    try:
        return load_pass(name).pass_class.purpose
    except AxkitError:  # a report may be looked at where the pass is not
        return ""


def _shown(value: Any) -> str:
    return quantity(value) if isinstance(value, float) and value != round(value) else f"{value}".removesuffix(".0")


def tables_of(stages: Sequence[StageRecord]) -> tuple[Tabled, ...]:
    """All tables that passes gave."""
    return tuple(
        _tabled(stage, name, rows) for stage in stages for name, rows in stage.told.tables.items() if len(rows)
    )


def _tabled(stage: StageRecord, name: str, rows: Sequence[Mapping[str, Any]]) -> Tabled:
    keys, title, drawn = columns(rows), f"{stage.applied.name}: {name}", Drawn()
    slug = f"table-{stage.applied.index}-{''.join(one if one.isalnum() else '-' for one in name)}"
    label, value = _axes(rows)
    if name == SENSITIVITY and label and value:
        drawn.add("bars", lambda: bars_svg(rows, label, value, f"bars-{slug}", title))
    grid = Grid(title, tuple(keys), tuple(cells(row, keys) for row in rows[:MOST_ROWS]))
    return Tabled(title, slug, grid, len(rows), drawn)


def _axes(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The first column of texts and the first of numbers, of a table that has both in every row; else empty."""
    texts = [key for key, value in rows[0].items() if isinstance(value, str)]
    numbers = [key for key, value in rows[0].items() if isinstance(value, float)]
    whole = all(isinstance(row.get(key), str | float) for row in rows for key in (*texts[:1], *numbers[:1]))
    return (texts[0], numbers[0]) if texts and numbers and whole else ("", "")


def time_parts(report: Report) -> tuple[tuple[str, float], ...]:
    """(what, seconds): the stages, and all that is none of them: loading, measuring, the control."""
    spent = report.summary.spent
    parts = [(f"{one.applied.index + 1} {one.applied.name}", one.spent.wall_s) for one in report.stages]
    control = report.summary.control
    trained = control.found.wall_s if control is not None and control.found is not None else 0.0
    if trained:
        parts.append(("control", trained))
    rest = spent.wall_s - sum(seconds for _, seconds in parts)
    return (*parts, ("loading and measuring", max(0.0, rest)))
