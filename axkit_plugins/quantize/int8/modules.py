"""Linear and embedding layers that hold int8 weights: plain tensors in safetensors, quantized kernels at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from axkit.kit import (
    IntegerKernels,
    IntegerProduct,
    Plain,
    embedding_at,
    input_grid,
    linear_at,
    names_in,
    on_grid,
    replace_module,
    to_int8,
    weight_matrix,
)

_TWINS = "axkit_plugins.quantize.int8.plain"


class Int8Linear(nn.Module):
    """y = x W^T + b with int8 W (out, in), one float32 scale per output, float32 bias.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: whether there is one.
        device: of the empty buffers.
        static: inputs are quantized to a fixed range, with a scale and zero point that are stored; else to each call's.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None
    input_scale: Tensor | None
    input_zero: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool, device: torch.device | None = None, static: bool = False
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8, device=device))
        self.register_buffer("scale", torch.ones(out_features, device=device))
        self.register_buffer("bias", torch.zeros(out_features, device=device) if bias else None)
        self.register_buffer("input_scale", torch.ones((), device=device) if static else None)
        self.register_buffer("input_zero", torch.zeros((), dtype=torch.int32, device=device) if static else None)
        self._kernels: IntegerKernels | None = None  # made when first asked; holds the weights in other layouts
        self._input: tuple[float, int] | None = None  # the two as numbers

    @classmethod
    def from_float(
        cls, linear: nn.Linear, input_range: tuple[float, float] | None = None, largest: int = 127
    ) -> Int8Linear:
        """Quantize a linear layer or a Conv1D.

        Args:
            linear: what is rounded.
            input_range: (low, high) of the inputs where it is fixed.
            largest: of the weights' integers, 1 to 127; with 63 no sum of two products leaves 16 bits.
        """
        weight = weight_matrix(linear)
        made = cls(weight.shape[1], weight.shape[0], linear.bias is not None, static=input_range is not None)
        if input_range is not None:
            step, zero = input_grid(input_range)
            made.input_scale = torch.tensor(step).to(weight.device)
            made.input_zero = torch.tensor(zero, dtype=torch.int32).to(weight.device)
        made.weight, made.scale = to_int8(weight.contiguous(), largest)
        if linear.bias is not None:
            made.bias = linear.bias.detach().float().clone()
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out). On other devices, and without a kernel, the products are computed in float32."""
        if x.device.type != "cpu" or self.weight.device.type != "cpu" or not x.numel() or not self.weight.numel():
            return self._in_float(x)
        # at batch 1 a product takes some 20 us: no cast that does nothing
        given = x if x.dtype is torch.float32 else x.float()
        kernel = (self._kernels or self._begin()).kernel(given)
        if kernel is None:
            return self._in_float(x)
        y = kernel(given)
        return y if given is x else y.to(x.dtype)

    def _in_float(self, x: Tensor) -> Tensor:
        if self.input_scale is not None and self.input_zero is not None:  # on a device nobody waits for the numbers
            step, zero = self._input or (self.input_scale.to(x.dtype), self.input_zero)
            x = on_grid(x, step, zero)
        return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale[:, None].to(x.dtype), self.bias)

    def _begin(self) -> IntegerKernels:
        """The kernels to choose from, from now on; the fixed input range becomes numbers."""
        self._input = self.grid
        self._kernels = IntegerKernels(self.product)
        return self._kernels

    @property
    def grid(self) -> tuple[float, int] | None:
        """Step and zero point of the inputs, where they are fixed."""
        if self.input_scale is None or self.input_zero is None or self.input_scale.device.type != "cpu":
            return None
        return float(self.input_scale), int(self.input_zero)

    @property
    def product(self) -> IntegerProduct:
        """What it computes, as kernels take it."""
        return IntegerProduct(self.weight, self.scale, self.bias, self.grid)

    def chosen(self) -> dict[int, str]:
        """The kernels that were chosen so far: bucket of rows -> name."""
        return {} if self._kernels is None else self._kernels.names()

    def _forget(self) -> None:
        self._kernels = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._forget()  # on another device there may be no kernel, and back here there is
        return super()._apply(fn, recurse)  # type: ignore[no-any-return,no-untyped-call]

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        self._forget()
        self._input = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, object]:
        # the kernel's own layout is remade where it is needed
        return {**self.__dict__, "_kernels": None, "_input": None}

    def plain(self) -> Plain:
        """Its twin for transformers alone."""
        sizes = {"in_features": self.in_features, "out_features": self.out_features}
        there = {"bias": self.bias is not None, "static": self.input_scale is not None}
        return Plain("Int8Linear", {**sizes, **there}, _TWINS)

    def extra_repr(self) -> str:
        """Sizes, for print(model)."""
        return f"in_features={self.in_features}, out_features={self.out_features}, int8"


class Int8Embedding(nn.Module):
    """A lookup table in int8 with one float32 scale per row."""

    weight: Tensor
    scale: Tensor

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.register_buffer("weight", torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8, device=device))
        self.register_buffer("scale", torch.ones(num_embeddings, device=device))

    @classmethod
    def from_float(cls, embedding: nn.Embedding) -> Int8Embedding:
        """Quantize an embedding."""
        made = cls(embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx)
        made.weight, made.scale = to_int8(embedding.weight)
        return made

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int -> (..., embedding_dim) float32."""
        lookup = nn.functional.embedding
        return lookup(ids, self.weight) * lookup(ids, self.scale.unsqueeze(-1))

    def plain(self) -> Plain:
        """Its twin for transformers alone."""
        return Plain("Int8Embedding", {"rows": self.num_embeddings, "columns": self.embedding_dim}, _TWINS)


def restore(model: nn.Module, state: Mapping[str, object]) -> None:
    """Put empty int8 modules at the names that a pass's state lists."""
    static = set(names_in(state, "static", optional=True))  # no such list before there were fixed ranges
    for name in names_in(state, "linear"):
        linear = linear_at(model, name)
        (rows, columns), device = weight_matrix(linear).shape, linear.weight.device
        replace_module(model, name, Int8Linear(columns, rows, linear.bias is not None, device, name in static))
    for name in names_in(state, "embedding"):
        old = embedding_at(model, name)
        replace_module(
            model, name, Int8Embedding(old.num_embeddings, old.embedding_dim, old.padding_idx, old.weight.device)
        )
