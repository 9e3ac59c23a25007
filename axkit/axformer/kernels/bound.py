"""The kernels that a search computes with: the same sums as PyTorch's own, sooner on a CPU.

They stand in for two functions of PyTorch for as long as a model of the search runs, so that modules, families, carving
and saving know nothing of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn

from axkit.axformer.kernels.packed import PackedLinears
from axkit.axformer.kernels.plain_attention import plain_attention

_lock, _entered = threading.Lock(), list["Kernels"]()
_own: dict[str, Callable[..., Tensor]] = {}  # PyTorch's, found when the first was entered


class Kernels(AbstractContextManager["Kernels"]):
    """While it is entered, ``nn.Linear`` takes packed weights, and attention in bfloat16 is not fused.

    Autocast is obeyed, and where gradients are wanted nothing changes. The functions are replaced in the whole process:
    a mode that sees every function of torch costs some percent of a search.
    """

    def __init__(self) -> None:
        self.linears = PackedLinears()

    def __enter__(self) -> Kernels:
        with _lock:
            if not _entered:
                _own.update(linear=nn.Linear.forward, attention=nn.functional.scaled_dot_product_attention)
            _entered.append(self)
            nn.Linear.forward = _linear  # type: ignore[method-assign]
            nn.functional.scaled_dot_product_attention = _attention
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _entered.remove(self)
            if not _entered:
                nn.Linear.forward = _own["linear"]  # type: ignore[method-assign]
                nn.functional.scaled_dot_product_attention = _own["attention"]


def _linear(self: nn.Linear, input: Tensor) -> Tensor:
    kernels, own = _entered[-1:], self._parameters  # what is computed from others (parametrized) is not in there
    if kernels and "bias" in own and own.get("weight") is not None and not torch.is_grad_enabled() and input.numel():
        product = kernels[0].linears.linear(input, cast(Tensor, own["weight"]), own["bias"])
        if product is not None:
            return product
    return _own["linear"](self, input)


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if not torch.is_grad_enabled():
        context = plain_attention(query, key, value, *args, **kwargs)
        if context is not None:
            return context
    return _own["attention"](query, key, value, *args, **kwargs)
