"""How many rows at a time keep a device busy.

With fewer it waits for its launches, and a narrower model is no faster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from axkit.ground import stopwatch
from axkit.ground.by_machine import Remembered
from axkit.ground.device import Device, copied_to, enough_memory
from axkit.ground.errors import MemoryFullError
from axkit.ground.stopwatch import Taken
from axkit.ground.target import MOST_ROWS, Target
from axkit.measure.inputs import real_batch
from axkit.tasks.answering import as_module
from axkit.tasks.split import Split

FEWEST = 32
_NEARLY = 0.8  # of the most rows a second
_RISES = 1.15  # twice the rows at a time that give less than so much more: the device is full
_TURNS = 3
Times = dict[int, tuple[float, float]]  # rows at a time -> seconds of a call, and of them the host's


@dataclass(frozen=True)
class Filled:
    """What was seen of a device.

    Attributes:
        batch: the fewest rows at a time that keep it busy, a power of two.
        per_s: rows a second then.
        few_per_s: rows a second with 32 at a time.
        bound_by_launches: even so it waits for its launches.
    """

    batch: int
    per_s: float
    few_per_s: float
    bound_by_launches: bool


def filled(model: Any, split: Split, target: Target, batch: int | None = None) -> Filled:
    """Time a model on more and more rows at a time, in the 16-bit type of the target's device where it has one.

    Args:
        model: a body, or a torch module in eval mode; it stays where it is.
        split: real rows; where they are few, they come again.
        target: its device; of its precision and batch nothing is used.
        batch: rows at a time, where that is settled; None: the fewest that keep the device busy.

    Raises:
        DeviceError: the device is not there, or not even the fewest rows fit it.
    """
    device = target.here()
    with _computing(device, target):
        module = copied_to(device, as_module(model))
        if batch is not None:
            return _filled({rows: _timed(device, module, split, rows) for rows in {FEWEST, batch}}, batch)
        kept, name = Remembered("fill", torch.get_num_threads()), _name(device, model, split)
        times = _read(kept.get(name))
        if not times:
            times = _times(device, module, split)
            kept.put(name, _written(times))
    most = max(rows / seconds for rows, (seconds, _) in times.items())
    return _filled(times, min(rows for rows, (seconds, _) in times.items() if rows / seconds >= _NEARLY * most))


def _times(device: Device, module: Any, split: Split) -> Times:
    """Of more and more rows, until twice as many give hardly more a second, or do not fit."""
    found = {FEWEST: _timed(device, module, split, FEWEST)}
    rows = FEWEST
    while rows < MOST_ROWS:
        try:
            found[2 * rows] = _timed(device, module, split, 2 * rows)
        except MemoryFullError:  # it ends there
            break
        rows *= 2
        if found[rows][0] > 2 / _RISES * found[rows // 2][0]:
            break
    return found


def _filled(times: Times, rows: int) -> Filled:
    taken = Taken(*times[rows])
    return Filled(rows, rows / taken.seconds, FEWEST / times[FEWEST][0], taken.bound_by_launches)


def _name(device: Device, model: Any, split: Split) -> str:
    """Of a measurement: the GPU, the model's shape, the lengths of its rows."""
    shapes = sorted((name, tuple(value.shape)) for name, value in as_module(model).state_dict().items())
    told = hashlib.sha256(repr((shapes, split.lengths.tolist())).encode()).hexdigest()[:16]
    return f"{device.title}/{device.half}/{told}"


def _read(kept: Mapping[str, float]) -> Times:
    """As it was written: whoever goes on with an interrupted run is to get the same number."""
    return {int(rows): (seconds, kept[f"{rows} host"]) for rows, seconds in kept.items() if rows.isdecimal()}


def _written(times: Times) -> dict[str, float]:
    return {
        name: value
        for rows, pair in times.items()
        for name, value in zip((f"{rows}", f"{rows} host"), pair, strict=True)
    }


@contextmanager
def _computing(device: Device, target: Target) -> Iterator[None]:
    """In 16 bits where the device has them: as the result will."""
    there = Target(device=target.device, dtype=device.half or "float32")  # type: ignore[arg-type]
    with enough_memory(device, "take fewer rows at a time, or a shorter max_length"), there.computing():
        yield


def _timed(device: Device, module: Any, split: Split, rows: int) -> tuple[float, float]:
    """Seconds of a call, and of them the host's; the shortest of some turns."""
    with enough_memory(device, "take fewer rows at a time"):
        inputs = real_batch(split, rows).on(device).inputs
        best = min((stopwatch.taken(device, module, (), inputs) for _ in range(_TURNS)), key=lambda one: one.seconds)
    return best.seconds, best.host_s
