"""Per-vector scaled quantization: the numbers, and their packing into bytes (VS-Quant, arXiv 2102.04503)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

QMAX = 7  # symmetric 4 bits: -7..7
_CLIPS = (1.0, 0.94, 0.88, 0.82, 0.76, 0.7, 0.64)  # of a vector's largest weight
_SHRINKS = (1.0, 0.9, 0.8, 0.7)  # of the channel scale: saturates the largest vector scales, refines the others


@dataclass(frozen=True)
class Quantized:
    """A matrix in 4 bits: weight ~ codes * vector_scale (repeated along the vector) * scale.

    Attributes:
        codes: (rows, columns) int8 in -7..7.
        vector_scale: (rows, vectors) uint8 in 1..2^bits - 1; the last vector may be short.
        scale: (rows,) float32.
    """

    codes: Tensor
    vector_scale: Tensor
    scale: Tensor

    def float(self, vector: int) -> Tensor:
        """The matrix again: (rows, columns) float32."""
        return dequantize(self.codes, self.vector_scale, self.scale, vector)


def dequantize(codes: Tensor, vector_scale: Tensor, scale: Tensor, vector: int) -> Tensor:
    """codes (rows, columns), vector_scale (rows, vectors), scale (rows,) -> (rows, columns) float32."""
    each = (vector_scale * scale[:, None]).repeat_interleave(vector, dim=1)
    return codes.to(each.dtype) * each[:, : codes.shape[1]]


def quantize(weight: Tensor, vector: int, scale_bits: int, importance: Tensor | None = None) -> Quantized:
    """Find the scales that make the squared error least, over a grid of clips per vector and of scales per row.

    Args:
        weight: (rows, columns), columns being the input dimension.
        vector: columns that share an integer scale.
        scale_bits: of that integer, unsigned.
        importance: (columns,) weight of each column's squared error, such as the mean square of the inputs; or None.
    """
    weight = weight.detach().float()
    rows, columns = weight.shape
    vectors = -(-columns // vector)
    padded = torch.nn.functional.pad(weight, (0, vectors * vector - columns)).view(rows, vectors, vector)
    share = torch.ones(columns, device=weight.device) if importance is None else importance.float()
    share = torch.nn.functional.pad(share, (0, vectors * vector - columns)).view(vectors, vector)
    largest, top = padded.abs().amax(-1) / QMAX, 2**scale_bits - 1
    best, scale = torch.full_like(largest[:, 0], torch.inf), torch.ones_like(largest[:, 0])
    chosen = torch.ones_like(largest, dtype=torch.uint8)
    for shrink in _SHRINKS:
        trial = (shrink * largest.amax(1) / top).clamp_min(torch.finfo(torch.float32).tiny)
        codes, error = _vector_scales(padded, largest, trial, top, share)
        better = error < best
        best = torch.where(better, error, best)
        scale = torch.where(better, trial, scale)
        chosen = torch.where(better[:, None], codes, chosen)
    codes = _round(padded, (chosen * scale[:, None])[..., None]).to(torch.int8)
    return Quantized(codes.view(rows, -1)[:, :columns].contiguous(), chosen, scale)


def _round(padded: Tensor, scale: Tensor) -> Tensor:
    return (padded / scale).round().clamp(-QMAX, QMAX)


def _vector_scales(padded: Tensor, largest: Tensor, scale: Tensor, top: int, share: Tensor) -> tuple[Tensor, Tensor]:
    """The best integer scale of each vector for given row scales: (rows, vectors) uint8, and each row's error."""
    best, chosen = torch.full_like(largest, torch.inf), torch.ones_like(largest, dtype=torch.uint8)
    for clip in _CLIPS:
        codes = (clip * largest / scale[:, None]).round().clamp(1, top)
        step = (codes * scale[:, None])[..., None]
        error = ((_round(padded, step) * step - padded).square() * share).sum(-1)
        better = error < best
        best = torch.where(better, error, best)
        chosen = torch.where(better, codes.to(torch.uint8), chosen)
    return chosen, best.sum(1)


def per_channel(weight: Tensor) -> Tensor:
    """Plain symmetric 4 bits with one scale per row, the largest weight's: what per-vector scales are held against."""
    scale = weight.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / QMAX
    return _round(weight, scale) * scale


def pack_bits(values: Tensor, bits: int) -> Tensor:
    """(rows, n) uint8 below 2^bits -> (rows, ceil(n * bits / 8)) uint8, lowest bit first; each row starts a byte."""
    stream = ((values[..., None] >> torch.arange(bits, dtype=torch.uint8, device=values.device)) & 1).flatten(-2)
    stream = torch.nn.functional.pad(stream, (0, -stream.shape[1] % 8)).view(len(values), -1, 8)
    return (stream << torch.arange(8, dtype=torch.uint8, device=values.device)).sum(-1).to(torch.uint8)


def unpack_bits(packed: Tensor, bits: int, n: int) -> Tensor:
    """The inverse of ``pack_bits``: (rows, n) uint8."""
    stream = ((packed[..., None] >> torch.arange(8, dtype=torch.uint8, device=packed.device)) & 1).flatten(-2)
    stream = stream[:, : n * bits].reshape(-1, n, bits)
    return (stream << torch.arange(bits, dtype=torch.uint8, device=packed.device)).sum(-1).to(torch.uint8)
