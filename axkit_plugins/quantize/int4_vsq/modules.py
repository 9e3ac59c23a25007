"""Linear and embedding layers that hold per-vector scaled 4-bit weights; dequantized when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from axkit.kit import Plain, fake_quantize, pack_nibbles, unpack_nibbles
from axkit_plugins.quantize.int4_vsq.numbers import Quantized, dequantize, pack_bits, unpack_bits

_TWINS = "axkit_plugins.quantize.int4_vsq.plain"


class _Packed(nn.Module):
    """The three buffers of a quantized matrix (rows, columns), and its way back to float32."""

    weight: Tensor  # (rows, ceil(columns / 2)) uint8, two codes in a byte
    vector_scale: Tensor  # (rows, ceil(vectors * scale_bits / 8)) uint8
    scale: Tensor  # (rows,) float32

    def __init__(
        self, rows: int, columns: int, vector: int, scale_bits: int, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self.rows, self.columns, self.vector, self.scale_bits = rows, columns, vector, scale_bits
        self.vectors = -(-columns // vector)
        scale_bytes = -(-self.vectors * scale_bits // 8)
        self.register_buffer("weight", torch.zeros(rows, -(-columns // 2), dtype=torch.uint8, device=device))
        self.register_buffer("vector_scale", torch.zeros(rows, scale_bytes, dtype=torch.uint8, device=device))
        self.register_buffer("scale", torch.ones(rows, device=device))

    def fill(self, quantized: Quantized) -> None:
        """Take the numbers of a quantized matrix."""
        self.weight = pack_nibbles(quantized.codes)
        self.vector_scale = pack_bits(quantized.vector_scale, self.scale_bits)
        self.scale = quantized.scale

    def numbers(self) -> Quantized:
        """The quantized matrix again."""
        vector_scale = unpack_bits(self.vector_scale, self.scale_bits, self.vectors)
        return Quantized(unpack_nibbles(self.weight, self.columns), vector_scale, self.scale)

    def expand(self, weight: Tensor, vector_scale: Tensor, scale: Tensor) -> Tensor:
        """Some rows of the three buffers -> (those rows, columns) float32."""
        codes = unpack_nibbles(weight, self.columns)
        return dequantize(codes, unpack_bits(vector_scale, self.scale_bits, self.vectors), scale, self.vector)

    def sizes(self) -> dict[str, int]:
        """What a twin for transformers alone is made by."""
        return {"rows": self.rows, "columns": self.columns, "vector": self.vector, "scale_bits": self.scale_bits}


class VsqLinear(_Packed):
    """y = x W^T + b with 4-bit W (out, in), expanded to float32 at each call.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: whether there is one; it stays float32.
        vector: inputs that share a scale.
        scale_bits: of that scale.
        activation_bits: simulate inputs of this many bits, a scale per token and vector; None leaves them alone.
        keep: hold on to the expanded weights after the first call.
        device: of the empty buffers.
    """

    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool,
        vector: int,
        scale_bits: int,
        activation_bits: int | None = None,
        keep: bool = False,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(out_features, in_features, vector, scale_bits, device)
        self.in_features, self.out_features = in_features, out_features
        self.activation_bits, self.keep = activation_bits, keep
        self.register_buffer("bias", torch.zeros(out_features, device=device) if bias else None)
        self._kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        weight = self._kept
        if weight is None:
            weight = self.expand(self.weight, self.vector_scale, self.scale)
            self._kept = weight if self.keep else None
        if self.activation_bits is not None:
            x = fake_quantize(x, self.vector, self.activation_bits)
        return nn.functional.linear(x, weight.to(x.dtype), self.bias)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._kept = None  # no parameter: it would stay where it was made
        return super()._apply(fn, recurse)  # type: ignore[no-any-return,no-untyped-call]

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        self._kept = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": None}

    def plain(self) -> Plain:
        """Its twin for transformers alone, which expands at each call."""
        own = {"bias": self.bias is not None, "activation_bits": self.activation_bits}
        return Plain("VsqLinear", {**self.sizes(), **own}, _TWINS)

    def extra_repr(self) -> str:
        """Sizes, for print(model)."""
        return f"in_features={self.in_features}, out_features={self.out_features}, int4, vectors of {self.vector}"


class VsqEmbedding(_Packed):
    """A lookup table in 4 bits; only the rows that are looked up are expanded."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        vector: int,
        scale_bits: int,
        device: torch.device | None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, vector, scale_bits, device)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int -> (..., embedding_dim) float32."""
        flat = ids.reshape(-1)
        rows = self.expand(self.weight[flat], self.vector_scale[flat], self.scale[flat])
        return rows.view(*ids.shape, self.embedding_dim)

    def plain(self) -> Plain:
        """Its twin for transformers alone."""
        return Plain("VsqEmbedding", self.sizes(), _TWINS)
