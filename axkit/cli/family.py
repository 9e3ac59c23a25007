"""``axkit apply`` and ``axkit plan`` of a recipe that lists targets. Imports no torch until something runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from axkit.cli.planned import show_plan
from axkit.ground import processes
from axkit.ground.device import Device
from axkit.ground.errors import Interrupted, RecipeError
from axkit.ground.figures import quantity, ratio, score
from axkit.ground.signals import code_of
from axkit.run.each import Point, plan_each
from axkit.run.plan_record import PlanRecord
from axkit.run.recipe import Source
from axkit.run.report import REPORT, Report, read_report
from axkit.run.verdict import change_cell, speed_cell


@dataclass(frozen=True)
class Wish:
    """What the options of ``axkit apply`` say.

    Attributes:
        fresh: do not go on from finished stages.
        force: make models again whose folder is there.
        as_json: print figures as JSON.
        where: passes compute.
    """

    fresh: bool
    force: bool
    as_json: bool
    where: Device


def show_each(source: Source, as_json: bool) -> None:
    """The plan of the first, and how many there will be; as JSON all of them."""
    points, console = plan_each(source), Console()
    if as_json:
        plans = {point.label: PlanRecord.of(point.plan).to_json() for point in points}
        click.echo(json.dumps({"setting": points[0].setting, "plans": plans}, indent=1))
        return
    show_plan(points[0].plan, console)
    labels = ", ".join(point.label for point in points)
    console.print(f"family {len(points)} models, one for each '{points[0].setting}': {labels}", highlight=False)


def apply_family(source: Source, out: Path, wish: Wish) -> None:
    """Run a recipe once for each number that it lists; folders that an earlier call has finished are kept.

    Raises:
        RecipeError: a folder holds another run.
        Interrupted: with the way to go on.
    """
    points, target = plan_each(source), out / source.recipe.name
    if (target / REPORT).exists():
        raise RecipeError(
            f"{target} holds the run of one model, and the recipe lists several; remove it, or choose another --out"
        )
    for point in points:
        point.plan.read()
    kept = {} if wish.force else _finished(points, target)
    try:
        made = _made(points, kept, out, wish)
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"interrupted; finished models are kept in {target}, and stages in {out / '.stages'}: run the same command "
            f"to go on",
            code_of(stopped),
        ) from None
    from axkit.report.family import FRONTIER

    if processes.current().is_main and wish.as_json:
        found = json.loads((target / FRONTIER).read_text(encoding="utf-8"))
        click.echo(json.dumps({"folder": str(target), **found}, indent=1))
    elif processes.current().is_main:
        _show(points, made, target)


def _finished(points: tuple[Point, ...], target: Path) -> dict[str, Report]:
    """Reports of the models that are there, by their label."""
    kept = {}
    for point in points:
        folder = target / point.label
        if not folder.exists():
            continue
        report = read_report(folder) if (folder / REPORT).exists() else None
        if report is None or report.key != point.keys[-1]:
            raise RecipeError(
                f"{folder} holds another run: its recipe, settings, model, data or versions differ; add --force to "
                f"make it again, or choose another --out"
            )
        kept[point.label] = report
    return kept


def _made(points: tuple[Point, ...], kept: dict[str, Report], out: Path, wish: Wish) -> dict[str, Report]:
    """Reports of all, by their label; the frontier is written anew after each."""
    from axkit.cli.bars import Shown
    from axkit.report import write_run_beside
    from axkit.report.family import write_family
    from axkit.run.engine import apply_each, in_turn

    main, made = processes.current().is_main, dict(kept)
    progress = Shown() if main else None
    target = out / points[0].family

    def tell() -> None:
        write_family([(one, made[one.label]) for one in points if one.label in made], len(points), target)

    with in_turn(out, points[0].family, progress):
        for point, run in apply_each(points, out, progress, wish.fresh, wish.where, skip=kept):
            if main:
                made[point.label] = write_run_beside(run, target / point.label, replace=True)[0]
                tell()
                click.echo(f"{target / point.label} is finished", err=True)
            del run  # and its model, before the next one is made
        if main and not (made.keys() - kept.keys()):
            tell()  # killed before it was written
    return made


def _show(points: tuple[Point, ...], made: dict[str, Report], target: Path) -> None:
    console, first = Console(), made[points[0].label].summary
    metric = f"test {first.quality.metric_name}"
    table = Table(points[0].setting, metric, "change", "throughput", "MB", "smaller", title_justify="left")
    table.add_row("dense", score(first.quality.dense.points), "", "", quantity(first.bytes.dense / 1e6, 1), "")
    for point in points:
        summary = made[point.label].summary
        table.add_row(
            point.label,
            score(summary.quality.result.points),
            change_cell(summary),
            speed_cell(summary.speeds.rounds, "b32", summary.speeds.throughput_ratio),
            quantity(summary.bytes.result / 1e6, 1),
            ratio(summary.bytes.ratio),
        )
    console.print(table)
    console.print(f"Written to {target} (a folder each; frontier.md, frontier.json, frontier.svg).", highlight=False)
