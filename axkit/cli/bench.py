"""``axkit bench``: finished folders, timed in turn. Imports no torch until it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from axkit.cli.bars import Shown
from axkit.cli.options import JSON
from axkit.ground.device import CHOICE
from axkit.ground.errors import AxkitError
from axkit.ground.figures import quantity, ratio
from axkit.measure.scenarios import Answered, Bench, Middle

_MB = 1e6


def _numbers(context: Any, option: Any, value: str | None) -> tuple[int, ...]:
    """``1,8,32``; none where nothing is given."""
    if value is None:
        return ()
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(part.isdecimal() and 0 < int(part) <= 65536 for part in parts) or not (parts or option.name == "tokens"):
        raise AxkitError(f"{option.opts[0]} '{value}' is no list of whole numbers from 1 on; give 1,8,32, say")
    return tuple(map(int, parts))


@click.command("bench")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--against", metavar="FOLDER", help="What all are held against.  [default: the first folder]")
@click.option("--batch", "batches", callback=_numbers, help="Rows at a time.  [default: 1,8,32; the target's batch]")
@click.option(
    "--tokens", default="32,128,384", show_default=True, callback=_numbers, help="Lengths at which all rows are alike."
)
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1, 1000), help="Of each scenario.")
@click.option(
    "--seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="After which a scenario has no further round, once it had six.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads, on as many cores.  [default: as PyTorch has it]")
@click.option("--device", metavar="DEVICE", help=f"Where they run: {CHOICE}.  [default: the recipe's target]")
@click.option("--memory/--no-memory", default=True, help="Load each in a process of its own, to see what it takes.")
@JSON
def bench_command(folders: tuple[str, ...], against: str | None, as_json: bool, **wanted: Any) -> None:
    """Time saved models of any runtime in turn: latency, throughput, what is new to them, memory, bytes."""
    from axkit.finished.bench import Wanted, bench_folders

    ordered = (against, *folders) if against else folders
    found = bench_folders(ordered, Wanted(**wanted), Shown())
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    console = Console()
    console.print(_models(found))
    console.print(_speeds(found))
    for line in _lines(found):
        console.print(line, highlight=False, markup=False)


def _models(found: Bench) -> Table:
    table = Table("", "model", "runtime", "MB on disk", "MB in memory", "first call, ms", box=SIMPLE)
    for number, one in enumerate(found.models):
        memory = "-" if one.memory_bytes is None else quantity(one.memory_bytes / _MB)
        disk = quantity(one.disk_bytes / _MB, 1)
        table.add_row(_letter(number), one.folder, one.runtime, disk, memory, quantity(one.first_call_ms))
    return table


def _speeds(found: Bench) -> Table:
    columns = ("scenario", "", "ms a call, p50 / p90 / p99", "inputs/s", "tokens/s", "first pass/s")
    table = Table(*columns, *([f"beside {_letter(0)}"] if len(found.models) > 1 else []), box=SIMPLE)
    for rows in zip(*(model.answered for model in found.models), strict=True):
        for number, one in enumerate(rows):
            table.add_row(
                one.scenario.name if number == 0 else "",
                _letter(number),
                " / ".join(quantity(value, 2) for value in one.call_ms),
                _with_interval(one.inputs_per_s),
                "-" if one.tokens_per_s is None else quantity(one.tokens_per_s),
                quantity(one.first_pass_per_s),
                *([_beside(one)] if len(rows) > 1 else []),
            )
    return table


def _letter(number: int) -> str:
    """How a table calls a model: A, B, ..., and numbers after Z."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _with_interval(one: Middle) -> str:
    if one.low is None or one.high is None:
        return quantity(one.value)
    return f"{quantity(one.value)} [{quantity(one.low)}, {quantity(one.high)}]"


def _beside(one: Answered) -> str:
    times = one.times
    if times is None:
        return ""
    if times.low is None or times.high is None:
        return f"{ratio(times.value)}: too few rounds to say"
    told = f"{ratio(times.value)} [{ratio(times.low)[:-1]}, {ratio(times.high)[:-1]}]"
    return f"no faster: {told}" if one.verdict == "no faster" else told


def _lines(found: Bench) -> Iterator[str]:
    where, first = found.conditions, found.models[0].folder
    cores = ", held to as many cores" if where.pinned else ""
    on = "" if where.device == "cpu" else f", models on {where.device}"
    threads = f"{where.threads} thread{'s' * (where.threads > 1)}"
    yield f"{where.processor}, {threads}{cores}{on}; {' '.join(where.flags)}"
    lengths = f"of the lengths of {where.lengths}'s test rows" if where.lengths else "of 32 tokens, as no folder tells"
    yield f"Rows as they come are {lengths}; at most {where.rounds} rounds in turn, medians with 95 % intervals."
    if len(found.models) > 1:
        yield f"Beside {first}, round by round; 'no faster': the interval holds 1."
    yield from (f"Left out: {one}." for one in found.left_out)


COMMANDS = (bench_command,)
