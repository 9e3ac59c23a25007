"""``axkit new-plugin``. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from axkit.ground.errors import PluginError
from axkit.scaffold.plugin import GROUPS, planned, write_plugin

_HELP = {
    "pass": "A pass: one class.",
    "task": "A task: its columns and rows.",
    "kind": "A kind of task: its losses, predictions and metrics.",
    "family": "An architecture as data; NAME is its model_type.",
    "runtime": "What answers in the place of a model, and the pass that makes one.",
}


@click.command("new-plugin")
@click.argument("name")
@click.option("--out", default=".", type=click.Path(path_type=Path), help="Where the package's folder goes.")
def new_plugin(name: str, out: Path, **wanted: bool) -> None:
    """Write an installable package with a test that passes, to start from."""
    chosen = [what for what in GROUPS if wanted[what]]
    if len(chosen) != 1:
        raise PluginError(f"say what '{name}' is to be: one of {', '.join('--' + what for what in GROUPS)}")
    place = write_plugin(planned(name, chosen[0]), out)
    click.echo(f"{place}\n\n  cd {place} && pip install -e . && pytest")


for _what in reversed(GROUPS):
    new_plugin = click.option(f"--{_what}", is_flag=True, help=_HELP[_what])(new_plugin)

COMMANDS = (new_plugin,)
