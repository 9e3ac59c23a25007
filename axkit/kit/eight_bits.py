"""The grids of few bits: what ``int8`` stores and computes with and trainings for it round to; inputs by vectors."""

from __future__ import annotations

import torch
from torch import Tensor


def to_int8(weight: Tensor, largest: int = 127) -> tuple[Tensor, Tensor]:
    """(rows, columns) float -> (rows, columns) int8 and (rows,) float32 scales; weight ~ int8 * scale.

    Args:
        weight: of any float dtype.
        largest: integers are -largest..largest, symmetric, so that zero is exact; at most 127.
    """
    scale = weight.detach().abs().amax(dim=1).float().clamp_min(torch.finfo(torch.float32).tiny) / largest
    return (weight.detach().float() / scale[:, None]).round().clamp(-largest, largest).to(torch.int8), scale


def input_grid(input_range: tuple[float, float]) -> tuple[float, int]:
    """Step and zero point of the 256 values that cover (low, high), low <= 0 <= high; zero is one of them."""
    step = max((input_range[1] - input_range[0]) / 255, torch.finfo(torch.float32).tiny)
    return step, min(255, round(-input_range[0] / step))


def on_grid(x: Tensor, step: float | Tensor, zero: int | Tensor) -> Tensor:
    """The nearest of the 256 values of ``input_grid``, for each value."""
    return ((x / step).round().add(zero).clamp(0, 255) - zero) * step


def fake_quantize(x: Tensor, vector: int, bits: int) -> Tensor:
    """Round x to symmetric integers with one scale per vector of its last dimension, and back: same shape.

    Args:
        x: (..., columns).
        vector: columns that share a scale; the last vector may be short.
        bits: of the integers.
    """
    qmax, size = 2 ** (bits - 1) - 1, x.shape[-1]
    split = torch.nn.functional.pad(x, (0, -size % vector)).reshape(*x.shape[:-1], -1, vector)
    step = split.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / qmax
    rounded: Tensor = (split / step).round() * step
    return rounded.flatten(-2)[..., :size]
