"""Options that commands share. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from axkit.ground.device import AUTO, CHOICE
from axkit.run.recipe import Source, load_source
from axkit.tasks.spec import resolve
from axkit.tasks.task_file import names_task_file, read_task_file

OVERRIDES = (
    click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Override, e.g. passes.0.epochs=1."),
    click.option("--model", help="Override the recipe's model."),
    click.option("--task", help="Override the recipe's task: a name, or a YAML file with one."),
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
DEVICE = click.option(
    "--device", default=AUTO, show_default=True, metavar="DEVICE", help=f"Where models compute: {CHOICE}."
)


def with_overrides(command: Any) -> Any:
    """A command with ``--set``, ``--model`` and ``--task``."""
    for option in reversed(OVERRIDES):
        command = option(command)
    return command


def read_task(wanted: str) -> Any:
    """A task's name, or the task of a file of that name, checked there where its faults have lines."""
    if not names_task_file(wanted):
        return wanted
    found = read_task_file(wanted)
    resolve(found.tree, found.place)
    return found.tree


def source_of(recipe: str, settings: Sequence[str], model: str | None, task: str | None) -> Source:
    """A recipe as these options leave it."""
    extra = [] if model is None else [f"model={json.dumps(model)}"]
    if task is not None:  # a name, a file with a task, or a mapping as in a recipe
        extra.append(f"task={task if task.lstrip().startswith('{') else json.dumps(read_task(task))}")
    return load_source(recipe, (*settings, *extra))
