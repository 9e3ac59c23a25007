"""Which kernel computes a product: the one that is the fastest on this machine, measured when it is first asked for."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

from axkit.ground.by_machine import Remembered
from axkit.ground.errors import NotApplicable
from axkit.kit.int8_products import KERNELS, IntegerProduct, Kernel, kernels_here, sums

T = TypeVar("T")
CHOICE = "AXKIT_INT8_KERNEL"
MEASURE, USUAL = "measure", "usual"  # of CHOICE, besides the name of a kernel
STAYS = 1.05  # times as fast another kernel must be as the usual one
_TURNS, _LEAST, _ENOUGH_S = 25, 4, 10e-3


def bucket(rows: int) -> int:
    """Which row counts are taken to be alike: 1, up to 4, 16, 64, 256, 1024, and more (7 of them, from 0)."""
    return min(6, ((rows - 1).bit_length() + 1) >> 1)


def rows_in_words(number: int) -> str:
    """A bucket in words."""
    return "more" if number == 6 else str(4**number)


@dataclass(frozen=True)
class ProductCase:
    """A product, as far as it matters for its speed.

    Attributes:
        inputs: of each row.
        outputs: likewise.
        bucket: of the number of rows.
        fixed: whether the inputs' grid is.
        halved: whether sums would saturate, and some kernels compute two products.
    """

    inputs: int
    outputs: int
    bucket: int
    fixed: bool
    halved: bool = False

    @classmethod
    def of(cls, product: IntegerProduct, number: int) -> ProductCase:
        """A layer's product of as many rows as a bucket has."""
        fixed = product.grid is not None
        split = any(sums(name, fixed) == "saturate" for name in kernels_here(fixed)) and product.could_saturate
        return cls(product.weight.shape[1], product.weight.shape[0], number, fixed, split)

    @property
    def name(self) -> str:
        """As the file of measured times has it."""
        ends = f"{' fixed' if self.fixed else ''}{' halved' if self.halved else ''}"
        return f"{self.inputs}x{self.outputs} rows {rows_in_words(self.bucket)}{ends}"


def choose(case: ProductCase, ready: Callable[[str], Kernel], x: Tensor) -> str | None:
    """The name of the kernel for a product; None where this PyTorch has none for this processor.

    What was measured once on this kind of machine, in this process or another, is not measured again.

    Args:
        case: the product.
        ready: makes a kernel for it, by name.
        x: (..., in) float32, what it is measured on where nobody knows.

    Raises:
        NotApplicable: ``AXKIT_INT8_KERNEL`` names a kernel that is not there.
    """
    names = kernels_here(case.fixed)
    wanted = os.environ.get(CHOICE) or MEASURE
    if wanted not in (MEASURE, USUAL):
        pinned = [name for name in KERNELS if sums(name, case.fixed) != "none"]
        if wanted in pinned:
            return wanted
        there = ", ".join((MEASURE, USUAL, *pinned))
        raise NotApplicable(f"{CHOICE}={wanted} is no int8 kernel that this machine has; give {there}")
    if len(names) < 2 or wanted == USUAL:
        return names[0] if names else None
    known = kernel_times(case)
    if not set(names) <= known.keys():
        found = time_in_turn({name: ready(name) for name in names}, x)
        _memory(torch.get_num_threads()).put(case.name, found.seconds, lasting=found.undisturbed)
        known = found.seconds
    return fastest_of(names, known)


def kernel_times(case: ProductCase) -> Mapping[str, float]:
    """Seconds of each kernel, where they were measured; empty elsewhere."""
    known = _memory(torch.get_num_threads()).get(case.name)
    return {name: value for name, value in known.items() if name in KERNELS}


def fastest_of(names: Sequence[str], times: Mapping[str, float]) -> str:
    """The first, which is the usual one, unless another is faster by more than two timings of one kernel differ."""
    best = min(names, key=lambda name: times[name])
    return best if times[names[0]] > STAYS * times[best] else names[0]


@dataclass(frozen=True)
class Measured:
    """What kernels took.

    Attributes:
        seconds: of each, the shortest of several turns.
        undisturbed: none of these turns was interrupted for another process. Else they are seconds of the processor,
            good enough to go by and not to be remembered.
    """

    seconds: Mapping[str, float]
    undisturbed: bool


def time_in_turn(kernels: Mapping[str, Callable[[T], object]], x: T) -> Measured:
    """Time kernels, or whole models, on some inputs, in turn."""
    clean, spent = ({name: float("inf") for name in kernels} for _ in range(2))
    for kernel in kernels.values():
        kernel(x)
    begun = time.perf_counter()
    for turn in range(_TURNS):
        for name, kernel in kernels.items():
            before, start, cpu = _interruptions(), time.perf_counter(), time.process_time()
            kernel(x)
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
            spent[name] = min(spent[name], cpu)
            if _interruptions() == before:
                clean[name] = min(clean[name], took)
        if turn + 1 >= _LEAST and time.perf_counter() - begun > _ENOUGH_S * len(kernels):
            break
    undisturbed = max(clean.values()) < float("inf")
    return Measured(clean if undisturbed else spent, undisturbed)


def _interruptions() -> int:
    """How often another process was given the core of one of this one's threads; 0 on Windows, which does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@lru_cache(maxsize=64)
def _memory(threads: int) -> Remembered:
    return Remembered("int8-kernels", threads)
