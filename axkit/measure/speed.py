"""Speed by interleaved runs, sizes, memory. Every name carries its unit."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from axkit.ground import stopwatch
from axkit.ground.device import Device, copied_to, enough_memory, exact_floats, moved
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT, Target
from axkit.measure.figures import Speed as Speed
from axkit.tasks.answering import as_module
from axkit.tasks.split import Batch, Split

ROUNDS = 9
BATCH = 32
_SETTLE_S = 5e-3
_SINGLES = 8  # inputs that are timed one at a time where batches are timed too


@dataclass(frozen=True)
class Inputs:
    """What models are timed on.

    Attributes:
        singles: inputs of one row each.
        batches: inputs of 32 rows, or as many as the target says, padded to the longest.
        rows: in all batches together.
    """

    singles: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    rows: int

    @classmethod
    def of(cls, split: Split, batches: int = 3, size: int = BATCH) -> Inputs:
        """Real inputs, in the split's own (random) order, as a server would meet them; ``size`` rows at a time."""
        count = max(1, min(batches, len(split) // size))
        full = [real_batch(split, size, number * size) for number in range(count)]
        singles = [split.batch([i]) for i in range(min(16, len(split)))]
        return cls([b.inputs for b in singles], [b.inputs for b in full], count * size)

    @classmethod
    def like(cls, lengths: Sequence[int], names: Sequence[str], vocabulary: int, size: int = BATCH) -> Inputs:
        """Random tokens in inputs of given lengths, for timing where the data is not at hand; ``size`` at a time."""
        lengths = _at_least(size, lengths)
        random = torch.Generator().manual_seed(0)

        def made(some: Sequence[int]) -> dict[str, Any]:
            return random_tokens(some, names, vocabulary, random)

        full = [made(lengths[start : start + size]) for start in range(0, len(lengths), size)]
        return cls([made([length]) for length in lengths[:16]], full, len(lengths))

    def on(self, device: Device) -> Inputs:
        """The same on a device."""
        if device.is_cpu:
            return self
        singles, batches = ([moved(one, device) for one in each] for each in (self.singles, self.batches))
        return Inputs(singles, batches, self.rows)

    @classmethod
    def images(cls, count: int, shape: Sequence[int], size: int = BATCH) -> Inputs:
        """Random pixels, likewise; ``shape`` is (channels, height, width)."""
        count = max(count, size)
        random = torch.Generator().manual_seed(0)
        pixels = torch.rand((count, *shape), generator=random)
        full = [{"pixel_values": pixels[start : start + size]} for start in range(0, count, size)]
        return cls([{"pixel_values": pixels[i : i + 1]} for i in range(min(16, count))], full, count)


def real_batch(split: Split, rows: int, start: int = 0) -> Batch:
    """So many real rows at a time; of a split that has fewer they come again, so that a batch is as large as it says.

    Args:
        split: whose rows are taken, in its own (random) order.
        rows: in the batch.
        start: the first one.
    """
    return split.batch([(start + i) % len(split) for i in range(rows)])


def _at_least(count: int, lengths: Sequence[int]) -> Sequence[int]:
    """They come again until there are so many."""
    return [lengths[i % len(lengths)] for i in range(max(count, len(lengths)))]


def random_tokens(
    lengths: Sequence[int], names: Sequence[str], vocabulary: int, random: torch.Generator
) -> dict[str, Any]:
    """One batch of random tokens, padded on the right.

    Args:
        lengths: in tokens, of each row.
        names: of the inputs that the model takes.
        vocabulary: ids are below it.
        random: where they come from.

    Returns:
        name -> (rows, longest).
    """
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1])[None, :] < torch.tensor(lengths)[:, None]
    ids = torch.randint(0, vocabulary, shape, generator=random)
    every = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": torch.zeros_like(ids)}
    return {name: every[name] for name in names if name in every}


def speed(
    models: Mapping[str, Any],
    inputs: Inputs | Mapping[str, Inputs],
    rounds: int = ROUNDS,
    progress: Progress | None = None,
    target: Target = DEFAULT,
) -> dict[str, Speed]:
    """Time several models on the same inputs, in turn: what the machine does meanwhile hits all alike.

    Args:
        models: name -> a body, or a torch module in eval mode.
        inputs: of real lengths; by name where models read the same rows by tokenizers of their own.
        rounds: each visits every model; the order alternates.
        progress: told of each round.
        target: where they are timed, and in which precision; models that are elsewhere are copied there.
    """
    device = target.here()
    with exact_floats(device), enough_memory(device, "give the target a smaller batch"), target.computing():
        settle_s = settle(getattr(one, "runtime", "torch") for one in models.values())
        models = {name: copied_to(device, as_module(model)) for name, model in models.items()}
        own = {name: (inputs if isinstance(inputs, Inputs) else inputs[name]).on(device) for name in models}
        return _in_turn(models, own, rounds, progress or Silent(), device, settle_s)


def settle(runtimes: Iterable[str]) -> float:
    """Seconds between the turns of bodies of unlike runtimes, 0 where all are of one.

    Another runtime's threads look for work for a while after they have answered.
    """
    return _SETTLE_S if len(set(runtimes)) > 1 else 0.0


def _in_turn(
    models: Mapping[str, Any],
    own: Mapping[str, Inputs],
    rounds: int,
    progress: Progress,
    device: Device,
    settle_s: float,
) -> dict[str, Speed]:
    single_ms: dict[str, list[float]] = {name: [] for name in models}
    rounds_ms: dict[str, list[float]] = {name: [] for name in models}
    per_s: dict[str, list[float]] = {name: [] for name in models}
    host_ms, rounds_host_ms, host_share = ({name: list[float]() for name in models} for _ in range(3))
    for name, model in models.items():
        model(**own[name].singles[0])
        model(**own[name].batches[0])
    for turn in progress.track(range(rounds), "timing"):
        names = list(models) if turn % 2 == 0 else list(models)[::-1]
        begun, count = len(single_ms[names[0]]), min(len(own[name].singles) for name in names)  # windows may differ
        for name in names:
            # one model's inputs one behind the other, as a server has them: in turn by input a small model would find
            # the cache full of the large one's weights every time
            time.sleep(settle_s)
            for one in own[name].singles[:count]:
                taken = stopwatch.taken(device, models[name], (), one)
                single_ms[name].append(1e3 * taken.seconds)
                host_ms[name].append(1e3 * taken.host_s)
        for name in names:
            rounds_ms[name].append(float(np.median(single_ms[name][begun:])))
            rounds_host_ms[name].append(float(np.median(host_ms[name][begun:])))
        spent, host, done = (dict.fromkeys(names, 0.0) for _ in range(3))
        for batches in zip(*(own[name].batches for name in names), strict=False):
            for name, batch in zip(names, batches, strict=True):
                taken = stopwatch.taken(device, models[name], (), batch)
                spent[name] += taken.seconds
                host[name] += taken.host_s
                done[name] += _rows(batch)
        for name in names:
            per_s[name].append(done[name] / spent[name])
            host_share[name].append(host[name] / spent[name])
    return {
        name: Speed(
            float(np.median(single_ms[name])),
            float(np.percentile(single_ms[name], 90)),
            float(np.median(per_s[name])),
            min(per_s[name]),
            max(per_s[name]),
            tuple(rounds_ms[name]),
            tuple(per_s[name]),
            tuple(rounds_host_ms[name]),
            tuple(host_share[name]),
        )
        for name in models
    }


def speedup(
    model: Any,
    dense: Any,
    inputs: Inputs,
    rounds: int = 7,
    dense_inputs: Inputs | None = None,
    target: Target = DEFAULT,
) -> float:
    """Throughput of a model in batches, as a multiple of the dense model's; the shortest of several turns of each.

    For decisions on the way: what else the machine does can only make a turn longer.

    Args:
        model: in eval mode.
        dense: likewise.
        inputs: of the model.
        rounds: turns of each.
        dense_inputs: the same rows as the dense model takes them; None where that is no different.
        target: as of ``speed``.
    """
    shortest, device = [], target.here()
    with exact_floats(device), enough_memory(device, "give the target a smaller batch"), target.computing():
        ours, its = (copied_to(device, as_module(one)) for one in (model, dense))
        pairs = zip(inputs.on(device).batches, (dense_inputs or inputs).on(device).batches, strict=False)
        for batch, other in pairs:
            share = _rows(batch) / _rows(other)  # 1, but where contexts are cut into windows at other places
            turns = [(share * _seconds(device, its, other), _seconds(device, ours, batch)) for _ in range(rounds)]
            shortest.append([min(times) for times in zip(*turns, strict=True)])
    dense_s, model_s = (sum(times) for times in zip(*shortest, strict=True))
    ratio: float = dense_s / model_s
    return ratio


def relative_speed(
    model: Any,
    other: Any,
    split: Split,
    rows: int = BATCH,
    rounds: int = 7,
    other_split: Split | None = None,
    target: Target = DEFAULT,
) -> float:
    """How many times as fast as another a model is, in turn, on real rows; for what a pass decides or tells.

    Args:
        model: in eval mode.
        other: likewise; the dense model, say.
        split: whose first rows are taken, in its own (random) order.
        rows: at a time: 32 for throughput, 1 for latency.
        rounds: turns of each, of which the shortest counts.
        other_split: the same rows as the other model takes them, where its tokenizer is another (``dense_rows``).
        target: where they are timed (``Tools.target``).
    """
    ours, its = (_first_rows(one, rows) for one in (split, other_split or split))
    return speedup(model, other, ours, rounds, its, target)


def relative_speeds(model: Any, other: Any, split: Split) -> tuple[float, float]:
    """As ``relative_speed``, in batches and on one input: what a person chooses a precision by.

    Args:
        model: in eval mode.
        other: likewise.
        split: whose first rows are taken.
    """
    return relative_speed(model, other, split), relative_speed(model, other, split.first(_SINGLES), rows=1)


def _first_rows(split: Split, rows: int) -> Inputs:
    count = max(1, min(len(split), max(BATCH, rows)) // rows)
    return Inputs([], [real_batch(split, rows, number * rows).inputs for number in range(count)], count * rows)


def _rows(inputs: Mapping[str, Any]) -> int:
    return len(next(iter(inputs.values())))


def _seconds(device: Device, model: Any, inputs: Mapping[str, Any]) -> float:
    return stopwatch.taken(device, model, (), inputs).seconds


def peak_memory_bytes() -> int:
    """The largest resident set this process has had; 0 on Windows, which does not tell it this way."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
