"""Kernels bound to one copy of a model: its linear layers compute sooner on a CPU, nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn

from axkit.anatomy.first_token import FirstTokenCore
from axkit.axformer.kernels.packed import PackedLinears


class Kernels(AbstractContextManager["Kernels"]):
    """What the linear layers of one copy compute with while it is entered; else they compute as any others.

    Autocast is obeyed, and where gradients are wanted nothing changes. A copy is bound module by module: its linear
    layers get a class of their own. Nothing is replaced in PyTorch, so other models, and other threads, never meet
    these kernels.
    """

    def __init__(self) -> None:
        self.linears = PackedLinears()
        self.active = False

    def __enter__(self) -> Kernels:
        self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        self.active = False

    def __deepcopy__(self, _: Any) -> Kernels:
        return self  # the twin of a layer shares its weights, and so what was packed of them

    def bind(self, module: nn.Module) -> None:
        """Let a module's linear layers compute with packed weights; those that carving puts there later not yet."""
        for child in _outside_first_token(module):
            if type(child) is nn.Linear:  # a subclass computes in its own way
                child.__class__ = BoundLinear
            if isinstance(child, BoundLinear):
                child.kernels = self


class BoundLinear(nn.Linear):
    """A linear layer of a bound copy."""

    kernels: Kernels

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self.kernels.active and input.numel() and not torch.is_grad_enabled():
            own = self._parameters  # not by attribute: that takes longer than the rest of this function
            product = self.kernels.linears.linear(input, cast(Tensor, own["weight"]), own["bias"])
            if product is not None:
                return product
        return super().forward(input)


def _outside_first_token(module: nn.Module) -> Iterator[nn.Module]:
    """A module and what is in it, without what a core of the first token alone holds: it folds plain layers only."""
    yield module
    if not isinstance(module, FirstTokenCore):
        for child in module.children():
            yield from _outside_first_token(child)
