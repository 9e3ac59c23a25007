"""Linear layers from weights in oneDNN's own layout: the same sums, sooner on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from axkit.ground.cpu import onednn_takes_bfloat16

Fused = Literal["none", "gelu", "gelu_tanh", "relu", "tanh"]

_ROWS = 512  # the layout is chosen for products of about this many rows
_KERNELS = ("_linear_pointwise", "_reorder_linear_weight")  # torch's own, and no part of what it promises
_FUSED = {"gelu": ("gelu", "none"), "gelu_tanh": ("gelu", "tanh")}


def prepacks(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has such products of a precision."""
    if dtype != torch.float32 and not (dtype == torch.bfloat16 and onednn_takes_bfloat16()):
        return False
    return bool(torch._C._has_mkldnn) and all(hasattr(torch.ops.mkldnn, one) for one in _KERNELS)


def prepacked(
    weight: Tensor, bias: Tensor | None, fused: Fused = "none", dtype: torch.dtype | None = None
) -> Callable[[Tensor], Tensor] | None:
    """(..., in) -> (..., out), both of one precision; None where ``prepacks`` has no such product.

    Args:
        weight: (out, in), on the CPU; a copy of it is held, so it may go.
        bias: (out,), or None.
        fused: computed on what comes out.
        dtype: the precision; None: the weight's.
    """
    dtype = dtype or weight.dtype
    if not (prepacks(dtype) and weight.device.type == "cpu" and weight.numel()):
        return None
    turned = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype).contiguous(), _ROWS)
    own = None if bias is None else bias.detach().to(dtype)
    product: Any = torch.ops.mkldnn._linear_pointwise.default
    name, algorithm = _FUSED.get(fused, (fused, ""))

    def computed(x: Tensor) -> Tensor:
        y: Tensor = product(x.contiguous(), turned, own, name, [], algorithm)
        return y

    return computed
