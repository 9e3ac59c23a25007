"""The layer that ``gptq`` puts in; it needs nothing of what calibrated it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from axkit.kit import Plain, linear_at, pack_nibbles, replace_module, unpack_nibbles, weight_matrix

Codes = tuple[Tensor, Tensor]  # (rows, columns) int8 in -8..7; (rows, groups) float32 scales


class GroupLinear(nn.Module):
    """y = x W^T + b with 4-bit W (out, in) and a float scale for every group of inputs; expanded at each call.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: whether there is one; it stays float32.
        group: inputs that share a scale.
        device: of the empty buffers.
    """

    weight: Tensor  # (out, ceil(in / 2)) uint8, two codes in a byte
    scale: Tensor  # (out, groups) float32
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool, group: int, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.group = in_features, out_features, group
        packed = torch.zeros(out_features, -(-in_features // 2), dtype=torch.uint8, device=device)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", torch.ones(out_features, -(-in_features // group), device=device))
        self.register_buffer("bias", torch.zeros(out_features, device=device) if bias else None)

    def fill(self, codes: Codes) -> None:
        """Take the numbers of a calibrated layer."""
        self.weight, self.scale = pack_nibbles(codes[0]), codes[1].contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        weight = expand((unpack_nibbles(self.weight, self.in_features), self.scale), self.group)
        return nn.functional.linear(x, weight.to(x.dtype), self.bias)

    def plain(self) -> Plain:
        """Its twin for transformers alone."""
        sizes = {"rows": self.out_features, "columns": self.in_features, "group": self.group}
        return Plain("GroupLinear", {**sizes, "bias": self.bias is not None}, "axkit_plugins.quantize.gptq.plain")


def expand(codes: Codes, group: int) -> Tensor:
    """Codes and scales -> (rows, columns) float32."""
    values, scale = codes
    return values.to(scale.dtype) * scale.repeat_interleave(group, dim=1)[:, : values.shape[1]]


def put_empty(model: nn.Module, names: Sequence[str], group: int) -> dict[str, GroupLinear]:
    """Put empty 4-bit layers in the place of linear ones; biases stay. Returns them by name."""
    made = {}
    for name in names:
        linear = linear_at(model, name)
        (rows, columns), device = weight_matrix(linear).shape, linear.weight.device
        new = GroupLinear(columns, rows, linear.bias is not None, group, device)
        if linear.bias is not None:
            new.bias = linear.bias.detach().clone()
        replace_module(model, name, new)
        made[name] = new
    return made
