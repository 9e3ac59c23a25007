"""How long a call takes on a device: by the device's own clock where its work goes on after the call has come back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.ground.device import Device

_WARM, _LEAST_S = 3, 10e-3  # calls before; time that is measured at least, as events tell half microseconds
_BOUND = 0.8  # of the device's time: from there on the device waits for the host


@dataclass(frozen=True)
class Taken:
    """The time of one call.

    Attributes:
        seconds: until the work was done.
        host_s: until the call had come back; the device's work may go on.
    """

    seconds: float
    host_s: float

    @property
    def bound_by_launches(self) -> bool:
        """Whether the device waited for its next order most of the time: then less work does not make it faster."""
        return self.host_s >= _BOUND * self.seconds


def timed(device: Device, call: Callable[[], Any]) -> Taken:
    """Time a call; on a CPU once, on a device warmed up and repeated for ten milliseconds, between two events."""
    if device.is_cpu:
        start = time.perf_counter()
        call()
        spent = time.perf_counter() - start
        return Taken(spent, spent)
    for _ in range(_WARM - 1):
        call()
    device.wait()
    start = time.perf_counter()
    call()
    # of one call that finds the device idle: of several, one that asks the device for a number waits for those before
    host = time.perf_counter() - start
    device.wait()
    repeats = max(1, math.ceil(_LEAST_S / max(time.perf_counter() - start, 1e-6)))
    return Taken(_repeated(device, call, repeats), host)


def once(device: Device, module: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> float:
    """Seconds of one call, the very first perhaps, by the host's clock: with all that is made for it."""
    device.wait()
    start = time.perf_counter()
    module(*args, **(kwargs or {}))
    device.wait()
    return time.perf_counter() - start


def taken(device: Device, module: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Taken:
    """Time a module on some arguments; all that is timed of models comes through here."""
    return timed(device, lambda: module(*args, **(kwargs or {})))


def _repeated(device: Device, call: Callable[[], Any], repeats: int) -> float:
    """Seconds of a call, one behind the other."""
    import torch

    if device.kind != "cuda":  # no events that we know: wait before and behind
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        device.wait()
        return (time.perf_counter() - start) / repeats
    with torch.cuda.device(device.name):
        event: Any = torch.cuda.Event
        begin, end = event(enable_timing=True), event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / repeats
