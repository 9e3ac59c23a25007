"""``axkit inspect``: what a model folder holds. Imports no torch until it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from axkit.cli.options import JSON
from axkit.ground.figures import quantity, ratio

if TYPE_CHECKING:
    from axkit.finished.inspect import Inspected
    from axkit.finished.inspect.inspected import Inside


@click.command("inspect")
@click.argument("folder")
@JSON
def inspect_command(folder: str, as_json: bool) -> None:
    """Look at a model folder, axkit's or not: what it is, what is idle in it, where its bytes and its time go.

    Nothing of the folder is run, and no pickle is opened.
    """
    from axkit.finished.inspect import inspect

    found = inspect(folder)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    console = Console()
    for line in _about(found):
        console.print(line, highlight=False, markup=False)
    if found.inside is not None:
        for line in _idle(found.inside):
            console.print(line, highlight=False, markup=False)
        console.print(_parts(found.inside))
        if found.inside.wins:
            console.print(_wins(found.inside))
        else:
            by = f"'{found.inside.ended_by}' left too few bits for other passes; inspect the model before it"
            console.print(f"What could be won: nothing more. {by}.", highlight=False, markup=False)
    if found.recipe:
        console.print("A recipe to start from:\n", highlight=False)
        click.echo(found.recipe)


def _about(found: Inspected) -> Iterator[str]:
    said = found.said
    sizes = ", ".join(f"{value:,} {what.replace('_', ' ')}" for what, value in said.sizes.items())
    known = "" if said.supported else "; no family that axkit knows"
    yield f"{found.folder}: {said.architecture} ({said.model_type}{known}){': ' if sizes else ''}{sizes}"
    if said.kind:
        names = ", ".join(said.labels[:20]) + (f" and {len(said.labels) - 20} more" if len(said.labels) > 20 else "")
        yield f"task      {said.kind}{': ' if names else ''}{names}"
    if found.passes:
        yield f"made by   axkit: {', '.join(found.passes)}; answers with {found.runtime}"
    yield f"files     {quantity(found.files.bytes / 1e6, 1)} MB, {quantity(found.files.values / 1e6, 2)} M values"
    yield f"stored as {found.quantized}"
    for name, size in found.files.pickles.items():
        yield f"pickle    {name}, {quantity(size / 1e6, 1)} MB: it would run code when opened; it was not opened"
    for name in found.files.code:
        yield f"code      {name}: not run here; axkit verify runs it if it is what axkit writes, or with --trust-code"
    for what in found.missing:
        yield f"missing   {what}"
    for fault in dict.fromkeys(one for one in (found.fault, found.files.fault) if one):
        yield f"fault     {fault}"


def _idle(inside: Inside) -> Iterator[str]:
    idle, structure = inside.idle, inside.structure
    yield f"zeros     {100 * idle.zeros:.2f} % of the values of its matrices"
    for what, found in (("heads", idle.dead_heads), ("neurons", idle.dead_neurons)):
        if found:
            told = ", ".join(f"{count} in layer {layer}" for layer, count in found)
            yield f"dead      {what}: {told}; nothing is lost where a structural pass takes them out"
    if idle.empty_rows:
        yield f"dead      {idle.empty_rows} rows of embeddings are all 0"
    if idle.not_finite:
        yield f"fault     {idle.not_finite} values are infinite or no number"
    if idle.unread:
        yield f"codes     {idle.unread} layers hold no floats, and were not looked at for zeros"
    if not structure.is_dense:
        heads = sum(len(layer.heads) for layer in structure.layers)
        neurons = sum(len(layer.neurons) for layer in structure.layers)
        whole = [len(structure.layers) * one for one in (structure.n_heads, structure.ffn_width)]
        yield f"left      {heads} of {whole[0]} heads, {neurons} of {whole[1]} neurons"


def _parts(inside: Inside) -> Table:
    table = Table("part", "MB", "share", "ms", "share", title=f"Where it goes ({inside.batch or 'not timed'})")
    sizes, seconds = sum(inside.bytes.values()), sum(inside.seconds.values())
    for part in dict.fromkeys((*inside.bytes, *inside.seconds)):
        size, spent = inside.bytes.get(part), inside.seconds.get(part)
        table.add_row(
            part,
            "" if size is None else quantity(size / 1e6, 1),
            "" if size is None else f"{100 * size / sizes:.0f} %",
            "" if spent is None else quantity(1e3 * spent, 1),
            "" if spent is None else f"{100 * spent / seconds:.0f} %",
        )
    return table


def _wins(inside: Inside) -> Table:
    table = Table("step", "MB then", "throughput", "by", "note", title="What could be won; no row was looked at")
    for win in inside.wins:
        faster = "" if win.speedup is None else f"up to {ratio(win.speedup)}"
        table.add_row(win.step, quantity(win.bytes / 1e6, 1), faster, win.by, win.note)
    return table


COMMANDS = (inspect_command,)
