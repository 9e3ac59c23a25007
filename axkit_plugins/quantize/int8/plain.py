"""int8 layers for transformers alone: this text goes into the modeling file of a folder. It imports torch alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Int8Linear(nn.Module):
    """int8 weights (out, in), a float32 scale per output; inputs are quantized at each call, or to a stored range."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None
    input_scale: Tensor | None
    input_zero: Tensor | None

    def __init__(self, _: nn.Module, in_features: int, out_features: int, bias: bool, static: bool) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(out_features))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)
        self.register_buffer("input_scale", torch.ones(()) if static else None)
        self.register_buffer("input_zero", torch.zeros((), dtype=torch.int32) if static else None)
        self.packed: object = None  # the weights as the kernel takes them

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out); where there is no kernel, in float."""
        engine = next((e for e in ("x86", "fbgemm", "onednn") if e in torch.backends.quantized.supported_engines), None)
        if engine is None or x.device.type != "cpu" or not x.numel() or not self.weight.numel():
            return self.in_float(x)
        if self.packed is None:
            self.packed = self.pack(engine)
        if self.input_scale is None or self.input_zero is None:
            return torch.ops.quantized.linear_dynamic(x.float(), self.packed, False).to(x.dtype)  # type: ignore[no-any-return]
        fixed = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        grid = float(self.input_scale), int(self.input_zero)
        return fixed(x.float(), *grid, self.packed).to(x.dtype)  # type: ignore[no-any-return]

    def in_float(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) without a kernel."""
        if self.input_scale is not None and self.input_zero is not None:
            step, zero = self.input_scale.to(x.dtype), self.input_zero
            x = ((x / step).round().add(zero).clamp(0, 255) - zero) * step
        return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale[:, None].to(x.dtype), self.bias)

    def pack(self, engine: str) -> object:
        """The weights as the kernel of a quantized engine takes them."""
        torch.backends.quantized.engine = engine
        zeros = torch.zeros(len(self.weight), dtype=torch.long)
        with warnings.catch_warnings():  # the tensor type is deprecated, the kernels are not
            warnings.simplefilter("ignore")
            codes = torch._make_per_channel_quantized_tensor(self.weight, self.scale.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(codes, self.bias)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int8Linear:
        self.packed = None  # it would be another device's
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "packed": None}


class Int8Embedding(nn.Module):
    """A lookup table in int8, a float32 scale per row."""

    weight: Tensor
    scale: Tensor

    def __init__(self, _: nn.Module, rows: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(rows, columns, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(rows))

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int -> (..., columns) float32."""
        lookup = nn.functional.embedding
        return lookup(ids, self.weight) * lookup(ids, self.scale.unsqueeze(-1))
