"""``axkit eval``, ``bench`` and ``predict``: what one does with a finished folder. Imports no torch until it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from axkit.cli.options import DEVICE
from axkit.ground.device import CHOICE
from axkit.ground.figures import quantity
from axkit.measure.figures import Speed
from axkit.run import verdict


@click.command("eval")
@click.argument("folder")
@click.option("--task", help="Another task than the folder's own.")
@click.option("--split", type=click.Choice(["train", "search", "test"]), default="test", show_default=True)
@click.option("--against", metavar="FOLDER", help="Compare with another model.  [default: the run's dense model]")
@DEVICE
def eval_command(folder: str, task: str | None, split: Any, against: str | None, device: str) -> None:
    """Score a saved model, and compare it with another on the same rows."""
    from axkit.finished.score import dense_of, evaluate

    other = Path(against) if against else dense_of(Path(folder))
    for line in verdict.scored_lines(evaluate(folder, task, split, other, device), split, str(other)):
        click.echo(line)
    if other is None:
        click.echo("Its dense model is not at hand: compare with one by --against FOLDER.")


@click.command("bench")
@click.argument("folder")
@click.option("--against", metavar="FOLDER", help="Time another model in turn with it.")
@click.option("--device", metavar="DEVICE", help=f"Where they run: {CHOICE}.  [default: the recipe's target]")
def bench_command(folder: str, against: str | None, device: str | None) -> None:
    """Time a saved model."""
    from axkit.finished.use import bench

    timed = list(zip((folder, against or ""), bench(folder, against, device).values(), strict=False))
    console = Console()
    console.print(_speeds(timed))
    if against:
        (_, result), (_, other) = timed
        console.print(f"{_beside(result, other)}, beside {against}.", highlight=False)


def _speeds(timed: Sequence[tuple[str, Speed]]) -> Table:
    table = Table("model", "latency b1, ms (p50)", "(p90)", "throughput b32, inputs/s", "slowest to fastest round")
    for name, one in timed:
        spread = " to ".join(map(quantity, (one.throughput_b32_per_s_low, one.throughput_b32_per_s_high)))
        latencies = (quantity(value, 2) for value in (one.latency_b1_ms_p50, one.latency_b1_ms_p90))
        table.add_row(name, *latencies, quantity(one.throughput_b32_per_s), spread)
    return table


def _beside(one: Speed, other: Speed) -> str:
    rounds = one.rounds_ahead(other)
    batch = verdict.speed_cell(rounds, "b32", one.throughput_b32_per_s / other.throughput_b32_per_s)
    single = verdict.speed_cell(rounds, "b1", other.latency_b1_ms_p50 / one.latency_b1_ms_p50)
    return f"{batch} the throughput, {single} as quick on one input"


@click.command("predict")
@click.argument("folder")
@click.argument("text")
@click.argument("pair", required=False)
@DEVICE
def predict_command(folder: str, text: str, pair: str | None, device: str) -> None:
    """Ask a saved model: about a text, a pair of texts, words to be tagged, a QUESTION and its CONTEXT, or an image.

    TEXT is the path of an image for a model that reads images.
    """
    from axkit.finished.use import predict

    found = predict(folder, text, pair, lambda line: click.echo(f"note: {line}", err=True), device)
    for line in said(found):
        click.echo(line)


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


COMMANDS = (eval_command, bench_command, predict_command)
