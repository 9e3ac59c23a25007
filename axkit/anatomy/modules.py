"""The few modules that stand where something was removed, and hard attention itself."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

HARD = "axkit_hard"


class Zero(nn.Module):
    """Adds nothing to the residual stream, at the cost of one scalar."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return a 0-dimensional zero of the input's dtype and device."""
        return hidden.new_zeros(())


class NoLayer(nn.Module):
    """Stands for a layer that was removed altogether, LayerNorms and all: the hidden states go on as they came.

    Args:
        layer: what it replaces; its plain attributes stay, because some encoders ask a layer for its kind of mask.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        for name, value in vars(layer).items():
            if isinstance(value, str | int) and not name.startswith("_") and name != "training":
                setattr(self, name, value)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return the input itself."""
        return hidden_states


class NoAttention(nn.Module):
    """Stands for a removed attention core: (zero, no probabilities)."""

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """Return a 0-dimensional zero and None."""
        return hidden_states.new_zeros(()), None


class NoHeads(nn.Module):
    """An attention core all of whose heads were removed one by one: what is left is the output bias.

    Args:
        out: (name, projection) where the core holds its output projection itself, or None where it follows the core.
    """

    def __init__(self, out: tuple[str, nn.Module] | None) -> None:
        super().__init__()
        self._out = out[0] if out else None
        if out:
            self.add_module(*out)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """(batch, tokens, hidden) -> (batch, tokens, 0 or hidden) and None."""
        empty = hidden_states.new_zeros(*hidden_states.shape[:-1], 0)
        return (self.get_submodule(self._out)(empty) if self._out else empty), None


STAND_INS: dict[str, type[nn.Module]] = {"zero": Zero, "no_attention": NoAttention, "identity": nn.Identity}


class FirstTokenCore(nn.Module):
    """Attention of the first token over all tokens, with the projections of the core it replaces.

    The layer around it sees one token only; the full sequence arrives through :class:`KeepFirst`.
    """

    full: Tensor | None

    def __init__(self, core: nn.Module, query: str, key: str, value: str, out: str | None) -> None:
        super().__init__()
        for name, child in core.named_children():
            self.add_module(name, child)
        self._names = (query, key, value, out)
        self.config: Any = core.config
        self.scaling = core.scaling
        self.head_size = int(core.attention_head_size)  # type: ignore[arg-type]  # an int on every family here
        self.is_causal = False
        self.axkit_topk = getattr(core, "axkit_topk", None)
        self.full = None

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
        """(batch, 1, hidden) -> (batch, 1, heads * head size or hidden), probabilities or None."""
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        full, self.full = self.full, None
        assert full is not None, "KeepFirst runs before the core"
        query, key, value, out = self._names

        def heads(name: str, states: Tensor) -> Tensor:
            projected: Tensor = self.get_submodule(name)(states)
            return projected.view(*states.shape[:2], -1, self.head_size).transpose(1, 2)

        if attention_mask is not None and attention_mask.dim() == 4:
            attention_mask = attention_mask[:, :, :1, :]
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, _hard_attention)
        dropout = self.get_submodule("dropout").p if self.training else 0.0
        context, probabilities = attend(
            self,
            heads(query, hidden_states),
            heads(key, full),
            heads(value, full),
            attention_mask,
            dropout=dropout,
            scaling=self.scaling,
            **kwargs,
        )
        context = context.reshape(full.shape[0], 1, -1)
        return (self.get_submodule(out)(context) if out else context), probabilities


class KeepFirst:
    """Forward pre-hook of a layer: the layer goes on with the first token; its attention core is lent the rest."""

    def __init__(self, core: str) -> None:
        self.core = core

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden, *rest = args
        core = layer.get_submodule(self.core)
        if isinstance(core, FirstTokenCore):
            core.full = hidden
        return (hidden[:, :1], *rest), kwargs


def _hard_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor | None]:
    """Keep the K largest attention probabilities per head and query, not renormalised (arXiv 2010.03688, section 4.2).

    Args:
        module: carries ``axkit_topk``, the K; None is dense attention.
        query: (batch, heads, queries, head size); ``key`` and ``value`` (batch, heads, tokens, head size).
        attention_mask: None, bool (True keeps) or additive float, broadcastable to (batch, heads, queries, tokens).
        dropout: probability, 0..1, applied to what was kept.
        scaling: factor on the scores; None is head size ** -0.5.

    Returns:
        context (batch, queries, heads, head size), and the probabilities where they were computed.
    """
    k: int | None = getattr(module, "axkit_topk", None)
    tokens = key.shape[2]
    if k is None or tokens <= k:  # cannot bind: the ordinary fused attention, bit for bit
        context = nn.functional.scaled_dot_product_attention(
            query, key, value, attention_mask, dropout_p=dropout, scale=scaling
        )
        return context.transpose(1, 2).contiguous(), None
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        else:
            scores = scores + attention_mask
    probabilities = scores.softmax(-1)
    largest, where = probabilities.topk(k, -1, sorted=False)
    kept = torch.zeros_like(probabilities).scatter(-1, where, largest)
    kept = nn.functional.dropout(kept, p=dropout, training=module.training)
    return (kept @ value).transpose(1, 2).contiguous(), kept


def register_hard_attention() -> None:
    """Make ``axkit_hard`` known to transformers, with a mask of its own (without one padding would be attended to)."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(HARD, _hard_attention)
    AttentionMaskInterface.register(HARD, eager_mask)


def harden(core: Any, k: int | None) -> None:
    """Give one attention core its K (None: dense again).

    The core gets a copy of the config, so that a later ``set_attn_implementation`` on the model, which writes to the
    shared one, cannot silently make it dense.
    """
    register_hard_attention()
    core.axkit_topk = k
    core.config = copy.copy(core.config)
    core.config._attn_implementation_internal = HARD
