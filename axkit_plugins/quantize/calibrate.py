"""The range of values that reach linear layers, from a float model on training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Range = tuple[float, float]  # low <= 0 <= high
PERCENTILE = 99.99  # of the inputs of a batch; what lies beyond is clipped
DECAY = 0.9  # of the moving average, per batch of 32
_BATCH = 32
_SAMPLE = 1_000_000  # values per batch and layer that a percentile is taken of


def ranges(
    model: Any, names: Sequence[str], split: Any, rows: int, how: Literal["percentile", "ema"]
) -> dict[str, Range]:
    """Linear layer -> the range to quantize its inputs to.

    Args:
        model: float, in eval mode.
        names: of linear layers.
        split: whose first rows are run, in batches of 32.
        rows: at most.
        how: mean over batches of a percentile at both ends, or a moving average of the extremes.
    """
    found: dict[str, Tensor] = {}
    count = 0

    def look(name: str) -> Any:
        def hook(_: Any, args: tuple[Tensor, ...]) -> None:
            ends = _ends(args[0].detach().float().flatten(), how)
            if name not in found:
                found[name] = ends
            elif how == "ema":
                found[name] = DECAY * found[name] + (1 - DECAY) * ends
            else:
                found[name] = (found[name] * count + ends) / (count + 1)

        return hook

    handles = [model.get_submodule(name).register_forward_pre_hook(look(name)) for name in names]
    try:
        with torch.inference_mode():
            for start in range(0, min(rows, len(split)), _BATCH):
                model(**split.batch(range(start, min(start + _BATCH, rows, len(split)))).inputs)
                count += 1
    finally:
        for handle in handles:
            handle.remove()
    return {name: (float(ends[0]), float(ends[1])) for name, ends in found.items()}


def _ends(values: Tensor, how: str) -> Tensor:
    """(low, high) of a batch's inputs, 0 included."""
    if how == "percentile":
        step = max(1, len(values) // _SAMPLE)
        share = torch.tensor([1 - PERCENTILE / 100, PERCENTILE / 100])
        ends = torch.quantile(values[::step], share)
    else:
        ends = torch.stack([values.min(), values.max()])
    return torch.stack([ends[0].clamp(max=0.0), ends[1].clamp(min=0.0)])
