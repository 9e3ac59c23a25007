"""``axkit apply``, ``plan`` and ``sweep``. Imports no torch until something runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from axkit.cli.family import Wish, apply_family, show_each
from axkit.cli.options import DEVICE, JSON, OVERRIDES, source_of, with_overrides
from axkit.cli.planned import show_plan
from axkit.ground import processes
from axkit.ground.device import Device
from axkit.ground.errors import Interrupted, RecipeError
from axkit.ground.figures import quantity
from axkit.ground.signals import code_of
from axkit.ground.writable import check_writable
from axkit.run.each import is_family
from axkit.run.plan_record import PlanRecord
from axkit.run.planning import Plan, plan
from axkit.run.report import Report


@click.command("apply")
@click.argument("recipe")
@with_overrides
@click.option("--out", default="runs", show_default=True, help="Folder that gets the run folder NAME.")
@click.option("--force", is_flag=True, help="Replace a run folder of the same name.")
@click.option("--fresh", is_flag=True, help="Do not go on from stages that were finished earlier.")
@JSON
@DEVICE
def apply_command(
    recipe: str,
    settings: tuple[str, ...],
    model: str | None,
    task: str | None,
    out: str,
    force: bool,
    fresh: bool,
    as_json: bool,
    device: str,
) -> None:
    """Run a recipe and write the run folder."""
    together = processes.current()  # torchrun starts several
    if together.is_main and processes.note():
        click.echo(processes.note(), err=True)
    if together.is_main:
        click.echo(f"Checking {recipe}, its model and its data", err=True)  # a first use downloads the data
    source, where = source_of(recipe, settings, model, task), Device.of(device)
    target = Path(out) / source.recipe.name
    if together.is_main:
        check_writable(target)
    if is_family(source.recipe):
        apply_family(source, Path(out), Wish(fresh, force, as_json, where))
        return
    _refuse_existing(target, force)
    made = plan(source)
    made.read()
    found = _applied(made, target, fresh, force, where, Path(out))
    if found is not None:
        report, place = found
        if as_json:
            click.echo(json.dumps({"folder": str(place), **report.to_json()}, indent=1))
        else:
            _show_report(report, place)
        if place != target:
            click.echo(f"{target} appeared while this was running, and is left as it is", err=True)


def _applied(
    made: Plan, target: Path, fresh: bool, force: bool, where: Device, out: Path
) -> tuple[Report, Path] | None:
    """Run a plan and write its folder; None in a process that stands by.

    Raises:
        Interrupted: with the way to go on.
    """
    from axkit.cli.bars import Shown
    from axkit.report import write_run_beside
    from axkit.run.engine import apply, in_turn

    main = processes.current().is_main
    progress = Shown() if main else None
    try:
        with in_turn(out, made.recipe.name, progress):
            _refuse_existing(target, force)  # again: it may have taken hours until it was our turn
            run = apply(made, out, progress, fresh, device=where)
            return write_run_beside(run, target, replace=force) if main else None
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"interrupted; finished stages are kept in {out / '.stages'}, and the one that was being made goes "
            f"on from what it has written: run the same command to go on",
            code_of(stopped),
        ) from None


def _refuse_existing(target: Path, force: bool) -> None:
    if target.exists() and not force:
        raise RecipeError(f"{target} exists already; add --force to replace it, or choose another --out")


def _show_report(report: Report, target: Path) -> None:
    from axkit.report.tables import stage_rows, summary_rows
    from axkit.report.words import headline

    console = Console()
    stages = Table("pass", "search metric", "MB", "throughput", "seconds", "note", title="Stages", title_justify="left")
    for row in stage_rows(report.stages):
        stages.add_row(*row)
    figures = Table("figure", "dense", "result", "change", title="Result", title_justify="left")
    for row in summary_rows(report.summary):
        figures.add_row(*row)
    console.print(stages, figures)
    console.print(headline(report.summary), highlight=False)
    console.print(
        f"{quantity(report.summary.spent.wall_s)} s. Written to {target} (report.html, report.md, report.json).",
        highlight=False,
    )


@click.command("plan")
@click.argument("recipe")
@with_overrides
@JSON
def plan_command(recipe: str, settings: tuple[str, ...], model: str | None, task: str | None, as_json: bool) -> None:
    """Show what a recipe would do, without doing it."""
    source = source_of(recipe, settings, model, task)
    if is_family(source.recipe):
        show_each(source, as_json)
        return
    made = plan(source)
    if as_json:
        click.echo(json.dumps(PlanRecord.of(made).to_json(), indent=1))
    else:
        show_plan(made, Console())


@click.command("sweep")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--task", "tasks", multiple=True, help="A task, or a YAML file that holds one; several times.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(0, 2**31 - 1), help="Several times.")
@OVERRIDES[0]
@OVERRIDES[1]
@click.option("--out", default="runs/sweep", show_default=True, help="Folder of the runs and of their comparison.")
@click.option("--force", is_flag=True, help="Make runs again whose folder holds another run.")
@click.option("--on", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where it runs.")
@click.option("--address", help="Of a Ray cluster: auto, ray://...; without, a Ray is started here.")
@click.option("--workers", type=click.IntRange(1), help="Runs at a time on Ray.")
@click.option("--retries", type=click.IntRange(0), help="Of a run whose process was killed, on Ray.  [default: 2]")
@JSON
@DEVICE
def sweep_command(
    recipes: tuple[str, ...],
    tasks: tuple[str, ...],
    seeds: tuple[int, ...],
    settings: tuple[str, ...],
    model: str | None,
    out: str,
    force: bool,
    on: str,
    as_json: bool,
    device: str,
    **of_ray: Any,
) -> None:
    """Run recipes x tasks x seeds, and compare them."""
    from axkit.cli.bars import Shown
    from axkit.sweep import Wanted, failure, runner_of, sweep

    runner = runner_of(on, {name: value for name, value in of_ray.items() if value is not None})
    click.echo("Checking every combination, its model and its data", err=True)
    settings = (*settings, *((f"model={json.dumps(model)}",) if model else ()))
    outcomes = sweep(Wanted(recipes, tasks, seeds, settings, out, device), runner, Shown(), force)
    if as_json:
        click.echo((Path(out) / "sweep.json").read_text(encoding="utf-8"))
    else:
        click.echo(f"Written to {Path(out)} (sweep.html, sweep.md, sweep.json, a plot per task).")
    fault = failure(outcomes)
    if fault:
        click.echo(f"error: {fault}", err=True)
        sys.exit(1 if any(one.state == "crashed" for one in outcomes) else 2)


COMMANDS = (apply_command, plan_command, sweep_command)
