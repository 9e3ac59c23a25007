"""``axkit export``: a finished folder again, for another runtime. Imports no torch until it does."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from axkit.cli.options import JSON


@click.command("export")
@click.argument("folder")
@click.option("--out", required=True, metavar="FOLDER", help="Folder to write.")
@click.option(
    "--runtime",
    default="onnxruntime",
    show_default=True,
    help="Where it is to answer: onnxruntime, openvino, torch-packed.",
)
@click.option("--precision", default="stored", show_default=True, help="stored, float32, bfloat16, int8, or fastest.")
@click.option("--padded", is_flag=True, help="Compute padding like tokens; else it is left out.")
@click.option("--force", is_flag=True, help="Replace what is at --out.")
@JSON
def export_command(
    folder: str, out: str, runtime: str, precision: str, padded: bool, force: bool, as_json: bool
) -> None:
    """Write a saved model again, for another runtime; of a run folder its model card, too."""
    from axkit.finished.export import export
    from axkit.report.card.carried import carry_card

    beside = partial(carry_card, Path(folder), Path(out).absolute().name)
    made = export(folder, out, force, beside, runtime=runtime, precision=precision, packed=not padded)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
        return
    if made.note:
        click.echo(f"note: {made.note}", err=True)
    click.echo(f"Written to {made.folder}: {made.bytes / 1e6:.1f} MB, answers with {made.runtime}.")


COMMANDS = (export_command,)
