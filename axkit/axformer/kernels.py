"""Linear layers computed from weights in oneDNN's own layout: the same sums, a tenth to a seventh sooner on a CPU.

A search runs the same weights over hundreds of batches, so turning them once pays; a served model gains less.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

_ROWS = 512  # the layout is chosen for products of about this many rows
_lock, _entered = threading.Lock(), list["PackedLinears"]()
_plain: list[Any] = [nn.Linear.forward]  # what stood there before the first was entered


class PackedLinears(AbstractContextManager["PackedLinears"]):
    """While it is entered, ``nn.Linear`` on the CPU takes packed weights; autocast is obeyed, and where gradients are
    wanted nothing changes.

    Weights are packed at first use and forgotten with their tensor; a weight or bias that was changed in place is
    packed anew. The class's own ``forward`` is replaced for that long, in the whole process: a mode that sees every
    function of torch costs some percent of a search, and so did a look-up through torch's own weak dictionary.
    """

    def __init__(self) -> None:
        self._packed: dict[torch.dtype, dict[int, _Packed]] = {torch.float32: {}, torch.bfloat16: {}}
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


def _forward(self: nn.Linear, input: Tensor) -> Tensor:
    kernels, own = _entered[-1:], self._parameters  # what is computed from others (parametrized) is not in there
    if kernels and "bias" in own and own.get("weight") is not None and not torch.is_grad_enabled() and input.numel():
        product = kernels[0].linear(input, cast(Tensor, own["weight"]), own["bias"])
        if product is not None:
            return product
    plain: Tensor = _plain[0](self, input)
    return plain
