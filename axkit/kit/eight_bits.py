"""The grids of 8 bits: what ``int8`` stores and computes with, and what a training for it rounds to."""

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
