"""``axkit compare``: finished models side by side. Imports no torch until it does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.cli.bars import Shown
from axkit.cli.options import JSON
from axkit.ground.files import replacing

_WIDE, _FIGURES = 130, 8  # columns of a terminal that has room for all; those of the table that all have


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--against", metavar="FOLDER", help="The dense model that a folder without a report is measured beside.")
@click.option("--html", "page", metavar="FILE", help="Write a page, with a plot for each task.")
@JSON
def compare_command(runs: tuple[str, ...], against: str | None, page: str | None, as_json: bool) -> None:
    """Show finished models side by side: run folders, folders of such, and exported folders, which are measured."""
    from axkit.report.compare import compared_page, differing, grouped
    from axkit.report.placed import placed

    found = placed(runs, against, Shown())
    if page is not None:
        with replacing(Path(page)) as partial:
            partial.write_text(compared_page(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps([one.to_json() for one in found], indent=1))
        return
    console = Console()
    other = differing(found)
    for group in grouped(found):
        shown = len(group.grid.head) if console.width >= _WIDE else _FIGURES
        console.print(_table(group.title, group.grid.head[:shown], [row[:shown] for row in group.grid.rows]))
        for line in group.notes:
            console.print(line, highlight=False, markup=False)
    if other is not None:
        console.print(_table(other.caption, other.head, other.rows))
    if page is not None:
        click.echo(f"Written to {page}.")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for name in head:
        table.add_column(escape(name), overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


COMMANDS = (compare_command,)
