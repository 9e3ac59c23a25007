"""Linear layers computed from weights in oneDNN's own layout: the same sums, a tenth to a seventh sooner on a CPU.

A search runs the same weights over hundreds of batches, so turning them once pays; a served model gains less.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from axkit.ground.cpu import onednn_takes_bfloat16

_ROWS = 512  # the layout is chosen for products of about this many rows


class PackedLinears:
    """Packed weights, remembered by identity and version.

    Weights are packed at first use and forgotten with their tensor; a weight or bias that was changed in place is
    packed anew. A look-up through torch's own weak dictionary costs some percent of a search.
    """

    def __init__(self) -> None:
        dtypes = (torch.float32, torch.bfloat16) if onednn_takes_bfloat16() else (torch.float32,)
        self._packed: dict[torch.dtype, dict[int, _Packed]] = {dtype: {} for dtype in dtypes}
        kernels = ("_linear_pointwise", "_reorder_linear_weight")  # torch's own, and no part of what it promises
        self._can = torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, one) for one in kernels)

    def linear(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        """(..., in) -> (..., out), in the precision that autocast or the weight says; None if there is no kernel."""
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else weight.dtype
        known = self._packed.get(dtype)
        if known is None:
            return None
        found = known.get(id(weight))
        version = weight._version + (0 if bias is None else bias._version)
        if found is None or found.version != version or found.weight() is not weight:
            if not (self._can and weight.device.type == "cpu" and weight.numel()):
                return None
            found = _Packed(dtype, weight, bias, version, partial(known.pop, id(weight), None))
            known[id(weight)] = found
        if inputs.dtype is not dtype:
            inputs = inputs.to(dtype)
        product: Tensor = found.product(inputs.contiguous(), found.turned, found.bias, "none", [], "")
        return product


class _Packed:
    """A weight in oneDNN's layout, and its bias.

    Args:
        dtype: of both from now on.
        weight: (out, in).
        bias: (out,), or None.
        version: of the two.
        forget: called when the weight is gone.
    """

    def __init__(
        self, dtype: torch.dtype, weight: Tensor, bias: Tensor | None, version: int, forget: Callable[[], Any]
    ) -> None:
        self.version, self.weight = version, weakref.ref(weight, lambda _: forget())
        self.turned = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype).contiguous(), _ROWS)
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.product: Any = torch.ops.mkldnn._linear_pointwise.default
