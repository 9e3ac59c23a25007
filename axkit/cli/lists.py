"""``axkit passes``, ``families``, ``tasks``, ``models``, ``runtimes``, ``kinds`` and ``recipes``. Imports no torch."""

from __future__ import annotations

import click
from rich.console import Console

from axkit.cli import listing
from axkit.ground.registry import FAMILIES, KINDS, MODELS, RUNTIMES, TASKS
from axkit.run.shipped import located


@click.command("passes")
@click.argument("name", required=False)
def passes_command(name: str | None) -> None:
    """List the passes and what each is for, or tell all about one."""
    if name:
        listing.show_pass(name, Console())
    else:
        listing.show_passes(Console())


@click.command("families")
def families_command() -> None:
    """List the architectures."""
    listing.show_entries(FAMILIES, Console())


@click.command("tasks")
def tasks_command() -> None:
    """List the tasks."""
    listing.show_entries(TASKS, Console())


@click.command("models")
def models_command() -> None:
    """List the models that need no hub."""
    listing.show_entries(MODELS, Console())


@click.command("runtimes")
def runtimes_command() -> None:
    """List what a finished model can run in."""
    listing.show_entries(RUNTIMES, Console())


@click.command("kinds")
@click.argument("name", required=False)
def kinds_command(name: str | None) -> None:
    """List the kinds of task, or tell all about one."""
    if name:
        listing.show_kind(name, Console())
    else:
        listing.show_entries(KINDS, Console())


@click.command("recipes")
@click.argument("name", required=False)
def recipes_command(name: str | None) -> None:
    """List the recipes that axkit brings, or print one: as a file of your own it can be changed."""
    if name:
        click.echo(located(name).read_text(encoding="utf-8"), nl=False)
    else:
        listing.show_recipes(Console())


COMMANDS = (
    passes_command,
    families_command,
    tasks_command,
    models_command,
    runtimes_command,
    kinds_command,
    recipes_command,
)
