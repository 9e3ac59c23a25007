"""``axkit compress``: one goal, one command. Imports no torch until something runs."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.cli.options import DEVICE, JSON
from axkit.ground.errors import Interrupted
from axkit.ground.signals import code_of


@click.command("compress")
@click.argument("model")
@click.argument("data")
@click.option("--speedup", type=float, metavar="TIMES", help="Wanted throughput in batches.  [default: the most]")
@click.option("--size", type=float, metavar="TIMES", help="How many times smaller it is to be.")
@click.option("--max-drop", default=1.0, show_default=True, metavar="POINTS", help="Of the metric, that it may cost.")
@click.option(
    "--for", "where", default="cpu", show_default=True, help="cpu, cuda, torch-packed, onnxruntime or openvino"
)
@click.option("--minutes", default=30.0, show_default=True, help="That trying may take.")
@click.option("--labels", default="use", show_default=True, help="use those of the data, or none.")
@click.option("--batch", type=int, metavar="ROWS", help="At a time, that it will serve.  [default: 32; a GPU's fill]")
@click.option("--text", multiple=True, metavar="COLUMN", help="What it reads; twice for a pair.  [default: seen]")
@click.option("--label", metavar="COLUMN", help="What it should answer.  [default: seen]")
@click.option("--kind", help="Of the task.  [default: by the model's head and the data]")
@click.option("--metric", help="That decides.  [default: the kind's first]")
@click.option("--out", default="runs", show_default=True, help="Folder that gets the recipe and the run folder.")
@click.option("--name", help="Of both.  [default: of model and data]")
@click.option("--dry", is_flag=True, help="Write the recipe, and stop.")
@click.option("--force", is_flag=True, help="Replace a run folder of the same name.")
@JSON
@DEVICE
def compress_command(model: str, data: str, out: str, as_json: bool, **wanted: Any) -> None:
    """Make MODEL smaller and faster by the rows of DATA: look at both, write a recipe, try, run and judge it.

    MODEL is a folder, a hub id or a registered model; DATA a file, a folder of images, a task or a task's YAML file.
    """
    from axkit.cli.bars import Shown
    from axkit.goal import compress
    from axkit.goal.said import said

    try:
        found = compress(model, data, out=out, progress=Shown(), **wanted)
    except KeyboardInterrupt as stopped:
        raise Interrupted(
            f"interrupted; finished stages are kept in {out}: run the same command to go on", code_of(stopped)
        ) from None
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    _show(found, Console())
    for line in said(found):
        click.echo(line)


def _show(found: Any, console: Console) -> None:
    from axkit.goal.outcome import HEAD, row
    from axkit.report.words import headline

    if found.tried:
        table = Table(*HEAD, title="Tried, on the search split", title_justify="left")
        for one in found.tried:
            table.add_row(*map(escape, row(one, found.goal, found.chosen)))
        console.print(table)
    if found.report is not None:
        console.print(headline(found.report.summary), highlight=False, markup=False)
        console.print(f"Written to {found.folder}, by the recipe {found.recipe}.", highlight=False, markup=False)


COMMANDS = (compress_command,)
