"""How many rows at a time keep a device busy.

With fewer it waits for its launches, and a narrower model is no faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from axkit.ground import stopwatch
from axkit.ground.device import Device, copied_to, enough_memory
from axkit.ground.errors import DeviceError
from axkit.ground.target import Target
from axkit.measure.speed import real_batch
from axkit.tasks.answering import as_module
from axkit.tasks.split import Split

MOST = 4096  # rows at a time, as of a target
_FEWEST = 32
_NEARLY = 0.8  # of the most rows a second
_RISES = 1.15  # twice the rows at a time that give less than so much more: the device is full
_TURNS = 3


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
    device, found = target.here(), list[tuple[int, float, bool]]()
    with _computing(device, target):
        module = copied_to(device, as_module(model))
        few = _timed(device, module, split, _FEWEST)
        if batch is not None:
            per_s, bound = _timed(device, module, split, batch)
            return Filled(batch, per_s, few[0], bound)
        found.append((_FEWEST, *few))
        while found[-1][0] < MOST:
            try:
                found.append((2 * found[-1][0], *_timed(device, module, split, 2 * found[-1][0])))
            except DeviceError:  # its memory ends there
                break
            if found[-1][1] < _RISES * found[-2][1]:
                break
    most = max(per_s for _, per_s, _ in found)
    rows, per_s, bound = next(one for one in found if one[1] >= _NEARLY * most)
    return Filled(rows, per_s, few[0], bound)


@contextmanager
def _computing(device: Device, target: Target) -> Iterator[None]:
    """In 16 bits where the device has them: as the result will."""
    there = Target(device=target.device, dtype=device.half or "float32")  # type: ignore[arg-type]
    with enough_memory(device, "take fewer rows at a time, or a shorter max_length"), there.computing():
        yield


def _timed(device: Device, module: Any, split: Split, batch: int) -> tuple[float, bool]:
    """Rows a second, and whether the device waited for its launches; the shortest of some turns."""
    with enough_memory(device, "take fewer rows at a time"):
        inputs = real_batch(split, batch).on(device).inputs
        best = min((stopwatch.taken(device, module, (), inputs) for _ in range(_TURNS)), key=lambda one: one.seconds)
    return batch / best.seconds, best.bound_by_launches
