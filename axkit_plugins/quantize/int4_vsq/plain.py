"""Per-vector scaled 4-bit layers for transformers alone: this text goes into the modeling file of a folder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FourBits(nn.Module):
    """A matrix of 4-bit codes, with an integer scale per vector of a row (VS-Quant) and a float32 scale per row."""

    weight: Tensor  # (rows, ceil(columns / 2)) uint8: two codes in a byte, the even column in the low half
    vector_scale: Tensor  # (rows, ...) uint8: a stream of bits, lowest first
    scale: Tensor  # (rows,)

    def __init__(self, rows: int, columns: int, vector: int, scale_bits: int) -> None:
        super().__init__()
        self.columns, self.vector, self.scale_bits = columns, vector, scale_bits
        bits = -(-columns // vector) * scale_bits
        self.register_buffer("weight", torch.zeros(rows, -(-columns // 2), dtype=torch.uint8))
        self.register_buffer("vector_scale", torch.zeros(rows, -(-bits // 8), dtype=torch.uint8))
        self.register_buffer("scale", torch.ones(rows))

    def matrix(self, weight: Tensor, vector_scale: Tensor, scale: Tensor) -> Tensor:
        """Some rows of the three -> (those rows, columns) float32."""
        codes = torch.stack((weight & 15, weight >> 4), -1).flatten(-2)[:, : self.columns].to(torch.int8) - 8
        vectors, device = -(-self.columns // self.vector), weight.device
        stream = ((vector_scale[..., None] >> torch.arange(8, dtype=torch.uint8, device=device)) & 1).flatten(-2)
        split = stream[:, : vectors * self.scale_bits].reshape(-1, vectors, self.scale_bits)
        whole = (split << torch.arange(self.scale_bits, dtype=torch.uint8, device=device)).sum(-1).to(torch.uint8)
        each = (whole * scale[:, None]).repeat_interleave(self.vector, dim=1)[:, : self.columns]
        return codes.to(each.dtype) * each


class VsqLinear(FourBits):
    """4-bit weights (out, in), expanded at each call; ``activation_bits`` rounds the inputs too."""

    bias: Tensor | None

    def __init__(
        self,
        _: nn.Module,
        rows: int,
        columns: int,
        vector: int,
        scale_bits: int,
        bias: bool,
        activation_bits: int | None,
    ) -> None:
        super().__init__(rows, columns, vector, scale_bits)
        self.activation_bits = activation_bits
        self.register_buffer("bias", torch.zeros(rows) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self.activation_bits is not None:
            top, n = 2 ** (self.activation_bits - 1) - 1, x.shape[-1]
            split = nn.functional.pad(x, (0, -n % self.vector)).reshape(*x.shape[:-1], -1, self.vector)
            step = split.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / top
            x = ((split / step).round() * step).flatten(-2)[..., :n]
        return nn.functional.linear(x, self.matrix(self.weight, self.vector_scale, self.scale).to(x.dtype), self.bias)


class VsqEmbedding(FourBits):
    """A lookup table in 4 bits; the rows that are looked up are expanded."""

    def __init__(self, _: nn.Module, rows: int, columns: int, vector: int, scale_bits: int) -> None:
        super().__init__(rows, columns, vector, scale_bits)

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int -> (..., columns) float32."""
        flat = ids.reshape(-1)
        return self.matrix(self.weight[flat], self.vector_scale[flat], self.scale[flat]).view(*ids.shape, -1)
