"""Linear layers computed from weights in oneDNN's own layout: the same sums, a tenth to a seventh sooner on a CPU.

A search runs the same weights over hundreds of batches, so turning them once pays; a served model gains less.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

_ROWS = 512  # the layout is chosen for products of about this many rows
_lock, _entered = threading.Lock(), list["PackedLinears"]()
_plain: list[Any] = [nn.Linear.forward]  # what stood there before the first was entered


class PackedLinears(AbstractContextManager["PackedLinears"]):
    """While it is entered, ``nn.Linear`` on the CPU takes packed weights; autocast is obeyed, and where gradients are
    wanted nothing changes.

    Weights are packed at first use and forgotten with their tensor; a weight that was changed in place is packed anew.
    The class's own ``forward`` is replaced for that long, in the whole process: a mode that sees every function of
    torch costs some percent of a search.
    """

    def __init__(self) -> None:
        self._packed: dict[torch.dtype, Any] = {d: WeakTensorKeyDictionary() for d in (torch.float32, torch.bfloat16)}
        self._can = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")

    def __enter__(self) -> PackedLinears:
        with _lock:
            if not _entered:
                _plain[0] = nn.Linear.forward
            _entered.append(self)
            nn.Linear.forward = _forward  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _entered.remove(self)
            if not _entered:
                nn.Linear.forward = _plain[0]  # type: ignore[method-assign]

    def takes(self, dtype: torch.dtype, weight: Tensor) -> bool:
        """Whether there is a kernel for products with this weight."""
        return self._can and dtype in self._packed and weight.device.type == "cpu" and bool(weight.numel())

    def linear(self, dtype: torch.dtype, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(..., in) -> (..., out), in ``dtype``."""
        found = self._packed[dtype].get(weight)
        if found is None or found[0] != weight._version:
            plain = weight.detach().to(dtype).contiguous()
            turned = torch.ops.mkldnn._reorder_linear_weight(plain, _ROWS)
            found = weight._version, turned, None if bias is None else bias.detach().to(dtype)
            self._packed[dtype][weight] = found
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs.to(dtype).contiguous(), found[1], found[2], "none", [], ""
        )
        return product


def _forward(self: nn.Linear, input: Tensor) -> Tensor:
    kernels, weight = _entered[-1:], self.weight
    if kernels and input.numel() and not torch.is_grad_enabled():
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else weight.dtype
        if kernels[0].takes(dtype, weight):
            return kernels[0].linear(dtype, input, weight, self.bias)
    product: Tensor = _plain[0](self, input)
    return product
