"""The command line. Imports no torch until a command needs it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from axkit.cli import listing
from axkit.cli.terminal import leave_the_pipe, show_everything
from axkit.ground import processes
from axkit.ground.cpu import keep_primitives
from axkit.ground.device import AUTO, CHOICE, Device
from axkit.ground.errors import AxkitError, Interrupted, RecipeError, as_storage_error, full_disk
from axkit.ground.figures import quantity
from axkit.ground.signals import code_of, listening
from axkit.ground.version import __version__
from axkit.ground.writable import check_writable
from axkit.run import verdict
from axkit.run.planning import plan
from axkit.run.recipe import Source, load_source
from axkit.run.report import Report

_MOST_FAULTS = 50
_OVERRIDES = (
    click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Override, e.g. passes.0.epochs=1."),
    click.option("--model", help="Override the recipe's model."),
    click.option("--task", help="Override the recipe's task."),
)
_DEVICE = click.option(
    "--device", default=AUTO, show_default=True, metavar="DEVICE", help=f"Where models compute: {CHOICE}."
)


def _with_overrides(command: Any) -> Any:
    for option in reversed(_OVERRIDES):
        command = option(command)
    return command


def _source(recipe: str, settings: Sequence[str], model: str | None, task: str | None) -> Source:
    extra = [] if model is None else [f"model={json.dumps(model)}"]
    if task is not None:  # a name, or a mapping as in a recipe
        extra.append(f"task={task if task.lstrip().startswith('{') else json.dumps(task)}")
    return load_source(recipe, (*settings, *extra))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """One recipe, one command: a transformer that is really smaller and faster."""


@cli.command("apply")
@click.argument("recipe")
@_with_overrides
@click.option("--out", default="runs", show_default=True, help="Folder that gets the run folder NAME.")
@click.option("--force", is_flag=True, help="Replace a run folder of the same name.")
@click.option("--fresh", is_flag=True, help="Do not go on from stages that were finished earlier.")
@_DEVICE
def apply_command(
    recipe: str,
    settings: tuple[str, ...],
    model: str | None,
    task: str | None,
    out: str,
    force: bool,
    fresh: bool,
    device: str,
) -> None:
    """Run a recipe and write the run folder."""
    together = processes.current()  # torchrun starts several
    if together.is_main and processes.note():
        click.echo(processes.note(), err=True)
    if together.is_main:
        click.echo(f"Checking {recipe}, its model and its data", err=True)  # a first use downloads the data
    source, where = _source(recipe, settings, model, task), Device.of(device)
    target = Path(out) / source.recipe.name
    if together.is_main:
        check_writable(target)
    _refuse_existing(target, force)
    made = plan(source)
    made.read()
    from axkit.cli.bars import Shown
    from axkit.report import write_run_beside
    from axkit.run.engine import apply, in_turn

    progress = Shown() if together.is_main else None
    try:
        with in_turn(out, made.recipe.name, progress):
            _refuse_existing(target, force)  # again: it may have taken hours until it was our turn
            run = apply(made, out, progress, fresh, device=where)
            if together.is_main:
                report, place = write_run_beside(run, target, replace=force)
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"interrupted; finished stages are kept in {Path(out) / '.stages'}, and the one that was being made goes "
            f"on from what it has written: run the same command to go on",
            code_of(stopped),
        ) from None
    if together.is_main:
        _show_report(report, place)
        if place != target:
            click.echo(f"{target} appeared while this was running, and is left as it is", err=True)


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
        f"{quantity(report.summary.spent.wall_s)} s. Written to {target} (report.md, report.json).", highlight=False
    )


@cli.command("plan")
@click.argument("recipe")
@_with_overrides
def plan_command(recipe: str, settings: tuple[str, ...], model: str | None, task: str | None) -> None:
    """Show what a recipe would do, without doing it."""
    listing.show_plan(plan(_source(recipe, settings, model, task)), Console())


@cli.command("sweep")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--task", "tasks", multiple=True, help="A task, or a YAML file that holds one; several times.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(0, 2**31 - 1), help="Several times.")
@_OVERRIDES[0]
@_OVERRIDES[1]
@click.option("--out", default="runs/sweep", show_default=True, help="Folder of the runs and of their comparison.")
@click.option("--force", is_flag=True, help="Make runs again whose folder holds another run.")
@click.option("--on", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where it runs.")
@click.option("--address", help="Of a Ray cluster: auto, ray://...; without, a Ray is started here.")
@click.option("--workers", type=click.IntRange(1), help="Runs at a time on Ray.")
@click.option("--retries", type=click.IntRange(0), help="Of a run whose process was killed, on Ray.  [default: 2]")
@_DEVICE
def sweep_command(
    recipes: tuple[str, ...],
    tasks: tuple[str, ...],
    seeds: tuple[int, ...],
    settings: tuple[str, ...],
    model: str | None,
    out: str,
    force: bool,
    on: str,
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
    click.echo(f"Written to {Path(out)} (sweep.md, sweep.json, a plot per task).")
    fault = failure(outcomes)
    if fault:
        click.echo(f"error: {fault}", err=True)
        sys.exit(1 if any(one.state == "crashed" for one in outcomes) else 2)


@cli.command("passes")
@click.argument("name", required=False)
def passes_command(name: str | None) -> None:
    """List the passes, or tell all about one."""
    if name:
        listing.show_pass(name, Console())
    else:
        listing.show_entries("axkit.passes", Console())


@cli.command("families")
def families_command() -> None:
    """List the architectures."""
    listing.show_entries("axkit.families", Console())


@cli.command("tasks")
def tasks_command() -> None:
    """List the tasks."""
    listing.show_entries("axkit.tasks", Console())


@cli.command("models")
def models_command() -> None:
    """List the models that need no hub."""
    listing.show_entries("axkit.models", Console())


@cli.command("eval")
@click.argument("folder")
@click.option("--task", help="Another task than the folder's own.")
@click.option("--split", type=click.Choice(["train", "search", "test"]), default="test", show_default=True)
@click.option("--against", metavar="FOLDER", help="Compare with another model.  [default: the run's dense model]")
def eval_command(folder: str, task: str | None, split: Any, against: str | None) -> None:
    """Score a saved model, and compare it with another on the same rows."""
    from axkit.finished.score import dense_of, evaluate

    other = Path(against) if against else dense_of(Path(folder))
    for line in verdict.scored_lines(evaluate(folder, task, split, other), split, str(other)):
        click.echo(line)
    if other is None:
        click.echo("Its dense model is not at hand: compare with one by --against FOLDER.")


@cli.command("bench")
@click.argument("folder")
@click.option("--against", metavar="FOLDER", help="Time another model in turn with it.")
def bench_command(folder: str, against: str | None) -> None:
    """Time a saved model."""
    from axkit.finished.use import bench

    speeds = bench(folder, against)
    table = Table("model", "latency b1, ms (p50)", "(p90)", "throughput b32, inputs/s", "slowest to fastest round")
    names = {"result": folder, "against": against or ""}
    for name, one in speeds.items():
        spread = " to ".join(map(quantity, (one.throughput_b32_per_s_low, one.throughput_b32_per_s_high)))
        latencies = (quantity(value, 2) for value in (one.latency_b1_ms_p50, one.latency_b1_ms_p90))
        table.add_row(names[name], *latencies, quantity(one.throughput_b32_per_s), spread)
    console = Console()
    console.print(table)
    if against:
        a, b = speeds["result"], speeds["against"]
        timed = a.rounds_ahead(b)
        console.print(
            f"{verdict.speed_cell(timed, 'b32', a.throughput_b32_per_s / b.throughput_b32_per_s)} the throughput, "
            f"{verdict.speed_cell(timed, 'b1', b.latency_b1_ms_p50 / a.latency_b1_ms_p50)} as quick on one input, "
            f"beside {against}.",
            highlight=False,
        )


@cli.command("predict")
@click.argument("folder")
@click.argument("text")
@click.argument("pair", required=False)
def predict_command(folder: str, text: str, pair: str | None) -> None:
    """Ask a saved model: about a text, a pair of texts, words to be tagged, a QUESTION and its CONTEXT, or an image.

    TEXT is the path of an image for a model that reads images.
    """
    from axkit.finished.use import predict

    found = predict(folder, text, pair, say=lambda line: click.echo(f"note: {line}", err=True))
    for line in listing.said(found):
        click.echo(line)


def main() -> None:
    """Entry point: what the user can mend is one sentence and exit code 2; a bug keeps its traceback."""
    show_everything()
    keep_primitives()  # here, because nothing has imported torch yet
    try:
        with listening():
            cli.main(prog_name="axkit", standalone_mode=False)
    except AxkitError as error:
        _fail(error)
    except click.exceptions.Abort as abort:
        _fail(Interrupted("interrupted; nothing was left half-written", code_of(abort.__cause__)))
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "axkit"
        _fail(AxkitError(f"{error.format_message().rstrip('.')}; '{path} --help' tells what there is"))
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except BrokenPipeError:
        leave_the_pipe()
        sys.exit(0)
    except Exception as error:
        said = error if isinstance(error, OSError) else full_disk(error)
        told = as_storage_error(said, said.filename or "the disk") if said is not None else None
        if told is None:
            raise
        _fail(told)


def _fail(error: AxkitError) -> None:
    faults = error.faults if isinstance(error, RecipeError) else (str(error),)
    with contextlib.suppress(OSError):  # the terminal may be gone
        for fault in faults[:_MOST_FAULTS]:
            click.echo(f"error: {fault}", err=True)
        if len(faults) > _MOST_FAULTS:
            click.echo(f"error: and {len(faults) - _MOST_FAULTS:,} more like these", err=True)
    sys.exit(error.code if isinstance(error, Interrupted) else 2)
