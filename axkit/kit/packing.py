"""Two 4-bit codes in a byte."""

from __future__ import annotations

import torch
from torch import Tensor


def pack_nibbles(codes: Tensor) -> Tensor:
    """(rows, columns) int8 in -8..7 -> (rows, ceil(columns / 2)) uint8, the even column in the low half."""
    shifted = torch.nn.functional.pad((codes + 8).to(torch.uint8), (0, codes.shape[1] % 2))
    return shifted[:, ::2] | (shifted[:, 1::2] << 4)


def unpack_nibbles(packed: Tensor, columns: int) -> Tensor:
    """The inverse of ``pack_nibbles``: int8."""
    both = torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)[..., :columns]
    return both.to(torch.int8) - 8
