"""The kernels that a model's rows call for on this machine, chosen before anything is timed, and told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from axkit.kit import ProductCase, kernel_times, kernels_here, rows_in_words
from axkit_plugins.quantize.int8.modules import Int8Linear

if TYPE_CHECKING:
    from axkit import Split

Row = dict[str, str | float]
_SINGLES, _BATCHES = 16, 3  # as speed is measured


def settle(model: nn.Module, search: Split, size: int) -> None:
    """Run the rows that speed is measured on: one at a time, and ``size`` at a time; layers choose on the way.

    Args:
        model: quantized, in eval mode, on the CPU.
        search: real rows.
        size: of a batch.
    """
    most = min(_BATCHES * size, len(search))
    singles = [range(row, row + 1) for row in range(min(_SINGLES, len(search)))]
    with torch.inference_mode():
        for rows in [*singles, *(range(start, min(start + size, most)) for start in range(0, most, size))]:
            model(**search.batch(rows).inputs)


def kernel_rows(model: nn.Module) -> list[Row]:
    """A table: for layers of one shape and as many rows the kernel, and how much faster than the usual one it was."""
    found: Counter[tuple[ProductCase, str]] = Counter()
    for module in model.modules():
        if isinstance(module, Int8Linear):
            product = module.product
            found.update((ProductCase.of(product, number), name) for number, name in module.chosen().items())
    return [_row(case, name, layers) for (case, name), layers in sorted(found.items(), key=lambda one: _order(one[0]))]


def _order(one: tuple[ProductCase, str]) -> tuple[int, int, int, str]:
    case, name = one
    return case.inputs, case.outputs, case.bucket, name


def _row(case: ProductCase, name: str, layers: int) -> Row:
    times, usual = kernel_times(case), kernels_here(case.fixed)[0]
    row: Row = {
        "inputs": case.inputs,
        "outputs": case.outputs,
        "rows_up_to": rows_in_words(case.bucket),
        "layers": layers,
        "kernel": name,
    }
    return row | ({f"times_{usual}": times[usual] / times[name]} if {usual, name} <= times.keys() else {})


def in_words(rows: list[Row]) -> str:
    """Which kernels these are, where there are several or another than the usual one."""
    names = sorted({str(row["kernel"]) for row in rows})
    if not names or names == [kernels_here(False)[0]]:
        return ""
    return f"Fastest int8 kernels here, by rows: {', '.join(names)}."
