"""``axkit passes``, ``families``, ``tasks``, ``models``, ``runtimes``, ``kinds`` and ``recipes``. Imports no torch."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.cli import listing
from axkit.cli.listing import Listed, Told
from axkit.cli.options import JSON
from axkit.ground.registry import FAMILIES, KINDS, MODELS, RUNTIMES, TASKS
from axkit.run.shipped import located, purpose


@click.command("passes")
@click.argument("name", required=False)
@JSON
def passes_command(name: str | None, as_json: bool) -> None:
    """List the passes and what each is for, or tell all about one."""
    _show(listing.pass_named(name) if name else listing.passes(), as_json)


@click.command("families")
@JSON
def families_command(as_json: bool) -> None:
    """List the architectures."""
    _show(listing.entries_of(FAMILIES), as_json)


@click.command("tasks")
@JSON
def tasks_command(as_json: bool) -> None:
    """List the tasks."""
    _show(listing.entries_of(TASKS), as_json)


@click.command("models")
@JSON
def models_command(as_json: bool) -> None:
    """List the models that need no hub."""
    _show(listing.entries_of(MODELS), as_json)


@click.command("runtimes")
@JSON
def runtimes_command(as_json: bool) -> None:
    """List what a finished model can run in."""
    _show(listing.entries_of(RUNTIMES), as_json)


@click.command("kinds")
@click.argument("name", required=False)
@JSON
def kinds_command(name: str | None, as_json: bool) -> None:
    """List the kinds of task, or tell all about one."""
    _show(listing.kind_named(name) if name else listing.entries_of(KINDS), as_json)


@click.command("recipes")
@click.argument("name", required=False)
@JSON
def recipes_command(name: str | None, as_json: bool) -> None:
    """List the recipes that axkit brings, or print one: as a file of your own it can be changed."""
    if not name:
        _show(listing.recipes(), as_json)
        return
    path = located(name)
    text = path.read_text(encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"name": name, "for": purpose(path), "recipe": text}, indent=1))
    else:
        click.echo(text, nl=False)


def _show(found: Listed | Told, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    console = Console()
    if isinstance(found, Told):
        console.print(f"[bold]{escape(found.name)}[/bold]  {escape(found.about)}", highlight=False)
        for key, value in found.facts.items():
            console.print(f"  {key}: {value}", highlight=False, markup=False)
        found = found.listed
    table = Table(*found.head)
    for row in found.rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _cell(value: str | bool) -> str:
    return escape(value) if isinstance(value, str) else "yes" if value else "no"


COMMANDS = (
    passes_command,
    families_command,
    tasks_command,
    models_command,
    runtimes_command,
    kinds_command,
    recipes_command,
)
