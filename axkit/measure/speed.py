"""Speed by interleaved runs, sizes, memory. Every name carries its unit."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from axkit.ground import stopwatch
from axkit.ground.device import Device, copied_to, enough_memory, exact_floats
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT, Target
from axkit.measure.figures import Speed as Speed
from axkit.measure.inputs import BATCH, Inputs, real_batch
from axkit.tasks.answering import as_module
from axkit.tasks.split import Split

ROUNDS = 9
_SETTLE_S = 5e-3
_SINGLES = 8  # inputs that are timed one at a time where batches are timed too


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
    found = {name: _Timings() for name in models}
    for name, model in models.items():
        model(**own[name].singles[0])
        model(**own[name].batches[0])
    for turn in progress.track(range(rounds), "timing"):
        names = list(models) if turn % 2 == 0 else list(models)[::-1]
        count = min(len(own[name].singles) for name in names)  # windows may differ
        for name in names:
            # one model's inputs one behind the other, as a server has them: in turn by input a small model would find
            # the cache full of the large one's weights every time
            time.sleep(settle_s)
            found[name].one_by_one(
                [stopwatch.taken(device, models[name], (), one) for one in own[name].singles[:count]]
            )
        batched: dict[str, list[tuple[stopwatch.Taken, int]]] = {name: [] for name in names}
        for batches in zip(*(own[name].batches for name in names), strict=False):
            for name, batch in zip(names, batches, strict=True):
                batched[name].append((stopwatch.taken(device, models[name], (), batch), _rows(batch)))
        for name in names:
            found[name].in_batches(batched[name])
    return {name: rounds.speed() for name, rounds in found.items()}


class _Timings:
    """What the rounds of one model took."""

    def __init__(self) -> None:
        self._singles_ms: list[float] = []
        self._ms, self._per_s, self._host_ms, self._host_share = (list[float]() for _ in range(4))  # of each round

    def one_by_one(self, taken: Sequence[stopwatch.Taken]) -> None:
        """A round's inputs of one row."""
        own_ms = [1e3 * one.seconds for one in taken]
        self._singles_ms += own_ms
        self._ms.append(float(np.median(own_ms)))
        self._host_ms.append(float(np.median([1e3 * one.host_s for one in taken])))

    def in_batches(self, taken: Sequence[tuple[stopwatch.Taken, int]]) -> None:
        """A round's batches, each with the number of its rows."""
        spent = sum(one.seconds for one, _ in taken)
        self._per_s.append(sum(rows for _, rows in taken) / spent)
        self._host_share.append(sum(one.host_s for one, _ in taken) / spent)

    def speed(self) -> Speed:
        """Of all rounds."""
        return Speed(
            float(np.median(self._singles_ms)),
            float(np.percentile(self._singles_ms, 90)),
            float(np.median(self._per_s)),
            min(self._per_s),
            max(self._per_s),
            tuple(self._ms),
            tuple(self._per_s),
            tuple(self._host_ms),
            tuple(self._host_share),
        )


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
