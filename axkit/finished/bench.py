"""Finished folders timed in turn as they would serve: batch sizes, lengths, what is new to them, memory, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from axkit.finished.footprint import memory_bytes
from axkit.finished.opened import Opened, open_finished, target_for
from axkit.finished.score import about_of
from axkit.ground.errors import DataError
from axkit.ground.processor import Processor
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT, Target
from axkit.measure.pinned import pinned
from axkit.measure.scenarios import Bench, Benched, Conditions, Scenario, usual
from axkit.measure.serving import Feed, Pace, serve
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.image_reader import ImageReader

_BATCHES = (1, 8, 32)
_UNKNOWN = (32,) * 96  # tokens of rows where a folder does not tell those of its test rows


@dataclass(frozen=True)
class Wanted:
    """What is to be timed.

    Attributes:
        batches: rows at a time; none: 1, 8, 32, and as many as the first recipe's target has.
        tokens: lengths at which all rows are alike, in the largest batch.
        rounds: of each scenario, at most.
        seconds: after which a scenario has no further round, once it had six.
        threads: that runtimes may use, on as many cores; None: as it is.
        device: where models compute; None: where the first recipe that has a target has it, the CPU without one.
        memory: whether a fresh process is started for each folder, to see how much memory it takes; on the CPU alone.
    """

    batches: tuple[int, ...] = ()
    tokens: tuple[int, ...] = (32, 128, 384)
    rounds: int = 15
    seconds: float = 30.0
    threads: int | None = None
    device: str | None = None
    memory: bool = True


def bench_folders(
    folders: Sequence[str | Path], wanted: Wanted | None = None, progress: Progress | None = None
) -> Bench:
    """Time saved models of any runtime in turn, in one process; the first is what the others are held against.

    Inputs have the lengths of a folder's own test rows, of the first that tells them; tokens and pixels are random,
    which no speed depends on.

    Args:
        folders: run folders, exported ones, or any checkpoints with a head.
        wanted: what is timed; None: 1, 8, 32 rows and a target's batch, and rows of 32, 128 and 384 tokens.
        progress: told of each scenario.

    Raises:
        CheckpointError: a folder that does not load.
        DataError: one reads images and another texts.
        DeviceError: a model computes otherwise there, or there is no such device.
    """
    wanted, paths = wanted or Wanted(), [Path(folder) for folder in folders]
    with pinned(wanted.threads) as held:
        opened = [open_finished(path) for path in paths]
        _refuse_unlike(paths, opened)
        told = [(path, about_of(path)) for path in paths]
        target = target_for(opened, next((about.target for _, about in told if about.target), DEFAULT), wanted.device)
        wanted = replace(wanted, batches=wanted.batches or tuple(sorted({*_BATCHES, target.batch})))
        whose, lengths = next(((str(path), a.token_lengths) for path, a in told if a.token_lengths), ("", _UNKNOWN))
        conditions = _conditions(target, wanted.rounds, held, whose)
        scenarios, left_out = _scenarios(opened, wanted)
        rows = [min(length, min(one.limit for one in opened)) for length in lengths]
        feeds = {one: [_feed(one, model, opened, rows) for model in opened] for one in scenarios}
        bodies = [one.subject.body for one in opened]
        pace = Pace.of([body.runtime for body in bodies], wanted.rounds, wanted.seconds)
        cold, answered = serve(bodies, feeds, pace, progress, target)
        memory: list[int | None] = [None] * len(paths)
        if wanted.memory and target.kind == "cpu":
            longest = max(max(map(max, one.lengths(rows))) for one in scenarios)
            largest = max(wanted.batches)
            memory = [memory_bytes(path, largest, longest, conditions.threads) for path in paths]
    sizes = zip(paths, bodies, memory, strict=True)
    models = tuple(
        Benched(str(path), body.runtime, bytes_of(path), peak, first, tuple(figures))
        for (path, body, peak), first, figures in zip(sizes, cold, answered, strict=True)
    )
    return Bench(models, conditions, left_out)


def _refuse_unlike(paths: Sequence[Path], opened: Sequence[Opened]) -> None:
    shapes = [one.reader.shape if isinstance(one.reader, ImageReader) else None for one in opened]
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise DataError(f"{path} does not read what {paths[0]} reads; time models of one kind of input together")


def _conditions(target: Target, rounds: int, held: bool, lengths: str) -> Conditions:
    import torch

    here = Processor.here()
    threads = torch.get_num_threads()
    return Conditions(target.here().title, here.name, here.flags, threads, held, rounds, lengths)


def _scenarios(opened: Sequence[Opened], wanted: Wanted) -> tuple[list[Scenario], tuple[str, ...]]:
    """Those that every model takes, and what is left out, in words."""
    if isinstance(opened[0].reader, ImageReader):  # all of one size: there is nothing to sort
        return [Scenario(size) for size in sorted(set(wanted.batches))], ()
    most = min(one.limit for one in opened)
    over = sorted({length for length in wanted.tokens if length > most})
    words = tuple(f"rows of {length} tokens: a model takes {most} at most" for length in over)
    return usual(wanted.batches, [length for length in wanted.tokens if length <= most]), words


def _feed(scenario: Scenario, model: Opened, every: Sequence[Opened], rows: Sequence[int]) -> Feed:
    lengths = scenario.lengths(rows)
    if isinstance(model.reader, ImageReader):
        return Feed.of_images([len(batch) for batch in lengths], model.reader.shape)
    vocabulary = min(int(one.subject.body.config["vocab_size"]) for one in every)
    return Feed.of_tokens(lengths, model.reader.model_input_names, vocabulary)


def bytes_of(folder: Path) -> int:
    """The bytes that a deployment copies of a folder; of a checkpoint from elsewhere those of all its files."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.bytes_of(folder)
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
