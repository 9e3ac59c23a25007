"""Kernels bound to one copy of a model: its linear layers and its attention compute sooner on a CPU, nobody else's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn

from axkit.anatomy.first_token import FirstTokenCore
from axkit.anatomy.modules import HARD, can_bind, hard_attention
from axkit.anatomy.surgery import Layer
from axkit.axformer.kernels.packed import PackedLinears
from axkit.axformer.kernels.plain_attention import plain_attention

_BOUND = "axkit_bound"  # the name by which a bound core asks transformers for its attention
_NOT_PLAIN = ("position_bias", "softcap", "cache")  # what plain arithmetic has no answer to


class Kernels(AbstractContextManager["Kernels"]):
    """What the modules of one copy compute with while it is entered; apart from that they compute as any others.

    Autocast is obeyed, and where gradients are wanted nothing changes. A copy is bound module by module: its linear
    layers get a class of their own, its attention cores a name of their own to ask transformers by. Nothing is
    replaced in PyTorch or transformers, so other models, and other threads, never meet these kernels.
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
        """Let a module's linear layers compute with packed weights, those that carving has put there since too."""
        for child in _outside_first_token(module):
            if type(child) is nn.Linear:  # a subclass computes in its own way
                child.__class__ = BoundLinear
            if isinstance(child, BoundLinear):
                child.kernels = self

    def bind_layer(self, layer: Layer) -> None:
        """:meth:`bind`, and the layer's attention too."""
        self.bind(layer.module)
        core: Any = layer.attention_core
        config = getattr(core, "config", None)
        if config is None or isinstance(core, FirstTokenCore):  # one query attends in no time, and folds if left alone
            return
        stock = _stock_attention(config)
        if stock is None:  # bound already, or another's
            return
        core.axkit_kernels, core.axkit_stock = self, stock
        core.config = copy.copy(config)  # of the core alone: masks are made by the model's
        core.config._attn_implementation_internal = _BOUND


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


def _stock_attention(config: Any) -> Any:
    """The attention that a core computes with, where a bound one may stand in for it; else None. Names it, too."""
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    AttentionInterface.register(_BOUND, _attend)  # a new name; what others ask for is left as it is
    return {"sdpa": sdpa_attention_forward, HARD: hard_attention}.get(config._attn_implementation)


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """As transformers' attention functions: (batch, heads, tokens, head size) -> (batch, tokens, heads, head size)."""
    binds = can_bind(getattr(module, "axkit_topk", None), key.shape[2])
    plain = module.axkit_kernels.active and not binds and not torch.is_grad_enabled()
    if plain and all(more.get(name) is None for name in _NOT_PLAIN):
        causal = more.get("is_causal")
        causal = getattr(module, "is_causal", True) if causal is None else causal
        causal = bool(causal) and attention_mask is None and query.shape[2] > 1
        context = plain_attention(query, key, value, attention_mask, dropout, causal, scaling)
        if context is not None:
            return context.transpose(1, 2).contiguous(), None
    found: tuple[Tensor, Tensor | None] = module.axkit_stock(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found
