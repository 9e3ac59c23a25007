"""Speed by interleaved runs, sizes, memory. Every name carries its unit."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from axkit.ground.progress import Progress, Silent
from axkit.measure.figures import Speed as Speed
from axkit.tasks.split import Split

ROUNDS = 9
BATCH = 32


@dataclass(frozen=True)
class Inputs:
    """What models are timed on.

    Attributes:
        singles: inputs of one row each.
        batches: inputs of up to 32 rows, padded to the longest.
        rows: in all batches together.
    """

    singles: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    rows: int

    @classmethod
    def of(cls, split: Split, batches: int = 3) -> Inputs:
        """Real inputs, in the split's own (random) order, as a server would meet them."""
        rows = min(batches * BATCH, len(split))
        full = [split.batch(range(start, min(start + BATCH, rows))) for start in range(0, rows, BATCH)]
        singles = [split.batch([i]) for i in range(min(16, len(split)))]
        return cls([b.inputs for b in singles], [b.inputs for b in full], rows)

    @classmethod
    def like(cls, lengths: Sequence[int], names: Sequence[str], vocabulary: int) -> Inputs:
        """Random tokens in inputs of given lengths, for timing where the data is not at hand."""
        random = torch.Generator().manual_seed(0)

        def made(some: Sequence[int]) -> dict[str, Any]:
            shape = (len(some), max(some))
            mask = torch.arange(shape[1])[None, :] < torch.tensor(some)[:, None]
            ids = torch.randint(0, vocabulary, shape, generator=random)
            every = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": torch.zeros_like(ids)}
            return {name: every[name] for name in names if name in every}

        full = [made(lengths[start : start + BATCH]) for start in range(0, len(lengths), BATCH)]
        return cls([made([length]) for length in lengths[:16]], full, len(lengths))

    @classmethod
    def images(cls, count: int, shape: Sequence[int]) -> Inputs:
        """Random pixels, likewise; ``shape`` is (channels, height, width)."""
        random = torch.Generator().manual_seed(0)
        pixels = torch.rand((count, *shape), generator=random)
        full = [{"pixel_values": pixels[start : start + BATCH]} for start in range(0, count, BATCH)]
        return cls([{"pixel_values": pixels[i : i + 1]} for i in range(min(16, count))], full, count)


def speed(
    models: Mapping[str, Any],
    inputs: Inputs | Mapping[str, Inputs],
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> dict[str, Speed]:
    """Time several models on the same inputs, in turn: what the machine does meanwhile hits all alike.

    Args:
        models: name -> model, in eval mode.
        inputs: of real lengths; by name where models read the same rows by tokenizers of their own.
        rounds: each visits every model; the order alternates.
        progress: told of each round.
    """
    single_ms: dict[str, list[float]] = {name: [] for name in models}
    rounds_ms: dict[str, list[float]] = {name: [] for name in models}
    per_s: dict[str, list[float]] = {name: [] for name in models}
    own = {name: inputs if isinstance(inputs, Inputs) else inputs[name] for name in models}
    with torch.inference_mode():
        for name, model in models.items():
            model(**own[name].singles[0])
            model(**own[name].batches[0])
        for turn in (progress or Silent()).track(range(rounds), "timing"):
            names = list(models) if turn % 2 == 0 else list(models)[::-1]
            begun = len(single_ms[names[0]])
            for singles in zip(*(own[name].singles for name in names), strict=False):  # windows may differ in number
                for name, one in zip(names, singles, strict=True):
                    single_ms[name].append(1e3 * _seconds(models[name], one))
            for name in names:
                rounds_ms[name].append(float(np.median(single_ms[name][begun:])))
            spent, done = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
            for batches in zip(*(own[name].batches for name in names), strict=False):
                for name, batch in zip(names, batches, strict=True):
                    spent[name] += _seconds(models[name], batch)
                    done[name] += _rows(batch)
            for name in names:
                per_s[name].append(done[name] / spent[name])
    return {
        name: Speed(
            float(np.median(single_ms[name])),
            float(np.percentile(single_ms[name], 90)),
            float(np.median(per_s[name])),
            min(per_s[name]),
            max(per_s[name]),
            tuple(rounds_ms[name]),
            tuple(per_s[name]),
        )
        for name in models
    }


def speedup(model: Any, dense: Any, inputs: Inputs, rounds: int = 7, dense_inputs: Inputs | None = None) -> float:
    """Throughput of a model in batches, as a multiple of the dense model's; the shortest of several turns of each.

    For decisions on the way: what else the machine does can only make a turn longer.

    Args:
        model: in eval mode.
        dense: likewise.
        inputs: of the model.
        rounds: turns of each.
        dense_inputs: the same rows as the dense model takes them; None where that is no different.
    """
    shortest = []
    with torch.inference_mode():
        for batch, other in zip(inputs.batches, (dense_inputs or inputs).batches, strict=False):
            share = _rows(batch) / _rows(other)  # 1, but where contexts are cut into windows at other places
            turns = [(share * _seconds(dense, other), _seconds(model, batch)) for _ in range(rounds)]
            shortest.append([min(times) for times in zip(*turns, strict=True)])
    dense_s, model_s = (sum(times) for times in zip(*shortest, strict=True))
    ratio: float = dense_s / model_s
    return ratio


def relative_speed(
    model: Any, other: Any, split: Split, rows: int = BATCH, rounds: int = 7, other_split: Split | None = None
) -> float:
    """How many times as fast as another a model is, in turn, on real rows; for what a pass decides or tells.

    Args:
        model: in eval mode.
        other: likewise; the dense model, say.
        split: whose first rows are taken, in its own (random) order.
        rows: at a time: 32 for throughput, 1 for latency.
        rounds: turns of each, of which the shortest counts.
        other_split: the same rows as the other model takes them, where its tokenizer is another (``dense_rows``).
    """
    ours, its = (_first_rows(one, rows) for one in (split, other_split or split))
    return speedup(model, other, ours, rounds, its)


def _first_rows(split: Split, rows: int) -> Inputs:
    starts = range(0, min(len(split), BATCH), rows)
    batches = [split.batch(range(start, min(start + rows, len(split)))).inputs for start in starts]
    return Inputs([], batches, min(len(split), BATCH))


def _rows(inputs: Mapping[str, Any]) -> int:
    return len(next(iter(inputs.values())))


def _seconds(model: Any, inputs: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    model(**inputs)
    return time.perf_counter() - start


def count_values(model: Any) -> int:
    """Numbers in the model: parameters and saved buffers, whatever their width; scales are counted."""
    return sum(tensor.numel() for tensor in model.state_dict().values())


def peak_memory_bytes() -> int:
    """The largest resident set this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
