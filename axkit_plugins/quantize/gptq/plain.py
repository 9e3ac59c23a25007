"""The 4-bit layer of ``gptq`` for transformers alone: this text goes into the modeling file of a folder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupLinear(nn.Module):
    """4-bit weights (out, in), two in a byte, and a float scale for every group of inputs; expanded at each call."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, _: nn.Module, rows: int, columns: int, group: int, bias: bool) -> None:
        super().__init__()
        self.columns, self.group = columns, group
        self.register_buffer("weight", torch.zeros(rows, -(-columns // 2), dtype=torch.uint8))
        self.register_buffer("scale", torch.ones(rows, -(-columns // group)))
        self.register_buffer("bias", torch.zeros(rows) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        codes = torch.stack((self.weight & 15, self.weight >> 4), -1).flatten(-2)[:, : self.columns].to(torch.int8) - 8
        each = self.scale.repeat_interleave(self.group, dim=1)[:, : self.columns]
        return nn.functional.linear(x, (codes.to(each.dtype) * each).to(x.dtype), self.bias)
