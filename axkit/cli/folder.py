"""``axkit eval``, ``predict`` and ``verify``: what one does with a finished folder. Imports no torch until it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from axkit.cli.options import DEVICE, JSON
from axkit.run import verdict


@click.command("eval")
@click.argument("folder")
@click.option("--task", help="Another task than the folder's own: a name, or a YAML file with one.")
@click.option(
    "--split",
    type=click.Choice(["train", "search", "test"]),
    default="test",
    show_default=True,
    help="Rows to score on.",
)
@click.option("--against", metavar="FOLDER", help="Compare with another model.  [default: the run's dense model]")
@JSON
@DEVICE
def eval_command(folder: str, task: str | None, split: Any, against: str | None, as_json: bool, device: str) -> None:
    """Score a saved model, and compare it with another on the same rows."""
    from axkit.finished.score import dense_of, evaluate

    other = Path(against) if against else dense_of(Path(folder))
    found = evaluate(folder, task, split, other, device)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    for line in verdict.scored_lines(found, split, str(other)):
        click.echo(line)
    if other is None:
        click.echo("Its dense model is not at hand: compare with one by --against FOLDER.")


@click.command("predict")
@click.argument("folder")
@click.argument("text")
@click.argument("pair", required=False)
@JSON
@DEVICE
def predict_command(folder: str, text: str, pair: str | None, as_json: bool, device: str) -> None:
    """Ask a saved model: about a text, a pair of texts, words to be tagged, a QUESTION and its CONTEXT, or an image.

    TEXT is the path of an image for a model that reads images.
    """
    from axkit.finished.use import predict

    found = predict(folder, text, pair, lambda line: click.echo(f"note: {line}", err=True), device)
    for line in [json.dumps(found, ensure_ascii=False)] if as_json else said(found):
        click.echo(line)


@click.command("verify")
@click.argument("folder")
@click.option("--trust-code", is_flag=True, help="Run its code even if it is not what this axkit writes.")
@JSON
def verify_command(folder: str, trust_code: bool, as_json: bool) -> None:
    """Hold a folder to what was noted when it was written: its files, and every way to load it.

    Each way is tried in a process of its own: by axkit in the folder's runtime, and where the folder claims that, by
    transformers alone, or by its predict.py without either.
    """
    from axkit.finished.verify import verify
    from axkit.ground.errors import CheckpointError

    found = []
    for one in verify(folder, trust_code):
        found.append(one)
        if not as_json:
            click.echo(f"{one.door:<13} FAULT" if one.fault else f"{one.door:<13} ok    {one.said}")
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
    for one in found:
        if one.fault:
            raise CheckpointError(one.fault)


def said(found: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[str]:
    """What a model said (``axkit.finished.use.predict``), in lines: the likeliest label first, or word by word."""
    if not isinstance(found, Mapping):
        return ["\t".join(_cell(value) for value in one.values()) for one in found]
    if "answer" in found:
        return [f"{found['answer'] or '(no answer)'}\t{found['score']:.4f}"]
    return [f"{label}\t{value:.4f}" for label, value in sorted(found.items(), key=lambda item: -item[1])]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


COMMANDS = (eval_command, predict_command, verify_command)
