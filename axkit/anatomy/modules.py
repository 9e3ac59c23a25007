"""The few modules that stand where something was removed, and hard attention itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

HARD = "axkit_hard"


class Zero(nn.Module):
    """Adds nothing to the residual stream, at the cost of one scalar."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return a 0-dimensional zero of the input's dtype and device."""
        return hidden.new_zeros(())


class PassOn(nn.Module):
    """Stands for a whole layer: gives back what comes in.

    Args:
        layer: whose place it takes.
        attributes: of that layer, which the model reads.
        returns_tuple: whether layers of this architecture return (hidden states, ...).
    """

    def __init__(self, layer: nn.Module, attributes: Sequence[str], returns_tuple: bool) -> None:
        super().__init__()
        self._returns_tuple = returns_tuple
        for name in attributes:
            setattr(self, name, getattr(layer, name))

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        """(batch, tokens, hidden) -> the same."""
        return (hidden_states, None) if self._returns_tuple else hidden_states


class NoLayer(PassOn):
    """Stands for a layer that was removed altogether, LayerNorms and all; arguments as of :class:`PassOn`."""


class NoAttention(nn.Module):
    """Stands for a removed attention core.

    Args:
        norm: (name, module) where the core itself adds the residual and normalises; it does so still.
    """

    def __init__(self, norm: tuple[str, nn.Module] | None = None) -> None:
        super().__init__()
        self._norm = norm[0] if norm else None
        if norm:
            self.add_module(*norm)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """(batch, tokens, hidden) -> a 0-dimensional zero, or the normalised input; and None."""
        return (self.get_submodule(self._norm)(hidden_states) if self._norm else hidden_states.new_zeros(())), None


class NoHeads(nn.Module):
    """An attention core all of whose heads were removed one by one: what is left is the output bias.

    Args:
        out: (name, projection) where the core holds its output projection itself, or None where it follows the core.
        norm: (name, module) where the core itself adds the residual and normalises; it does so still.
    """

    def __init__(self, out: tuple[str, nn.Module] | None, norm: tuple[str, nn.Module] | None = None) -> None:
        super().__init__()
        self._out, self._norm = (part[0] if part else None for part in (out, norm))
        for part in (out, norm):
            if part:
                self.add_module(*part)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """(batch, tokens, hidden) -> (batch, tokens, 0 or hidden) and None."""
        added = hidden_states.new_zeros(*hidden_states.shape[:-1], 0)
        if self._out:
            added = self.get_submodule(self._out)(added)
        if self._norm:
            added = self.get_submodule(self._norm)(hidden_states + added)
        return added, None


STAND_INS: dict[str, type[nn.Module]] = {"zero": Zero, "no_attention": NoAttention, "identity": nn.Identity}


class FirstTokenCore(nn.Module):
    """Attention of the first token over all tokens, with the projections of the core it replaces.

    The layer around it sees one token only; the full sequence arrives through :class:`KeepFirst`.

    Args:
        core: what it replaces.
        names: query, key, value and, where the core holds it, output projection within the core.
        head_size: values per head.
        dropout: of the probabilities, 0..1.
    """

    full: Tensor | None

    def __init__(self, core: Any, names: tuple[str, str, str, str | None], head_size: int, dropout: float) -> None:
        super().__init__()
        for name, child in core.named_children():
            self.add_module(name, child)
        self._names = names
        self.config: Any = core.config
        self.scaling = core.scaling
        self.head_size, self.dropout_share = head_size, dropout
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
        how = self.config._attn_implementation
        attend = _hard_attention if how in (None, "eager") else ALL_ATTENTION_FUNCTIONS[how]
        context, probabilities = attend(
            self,
            heads(query, hidden_states),
            heads(key, full),
            heads(value, full),
            attention_mask,
            dropout=self.dropout_share if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        context = context.reshape(full.shape[0], 1, -1)
        return (self.get_submodule(out)(context) if out else context), probabilities


class KeepFirst:
    """Forward pre-hook of a layer: the layer goes on with the first token; its attention core is lent the rest.

    Args:
        core: path of the attention core.
        norm: path of the norm before it; None where there is none.
    """

    def __init__(self, core: str, norm: str | None) -> None:
        self.core, self.norm = core, norm

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden, *rest = args
        core = layer.get_submodule(self.core)
        if isinstance(core, FirstTokenCore):
            core.full = layer.get_submodule(self.norm)(hidden) if self.norm else hidden
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
        module: carries ``axkit_topk``, the K; None is dense attention. With ``is_causal`` and no mask, a token sees
            itself and what stands before it, as transformers' own attention has it.
        query: (batch, heads, queries, head size); ``key`` and ``value`` (batch, heads, tokens, head size).
        attention_mask: None, bool (True keeps) or additive float, broadcastable to (batch, heads, queries, tokens).
        dropout: probability, 0..1, applied to what was kept.
        scaling: factor on the scores; None is head size ** -0.5.

    Returns:
        context (batch, queries, heads, head size), and the probabilities where they were computed.
    """
    k: int | float | None = getattr(module, "axkit_topk", None)
    queries, tokens = query.shape[2], key.shape[2]
    causal = attention_mask is None and queries > 1 and bool(getattr(module, "is_causal", False))
    if k is None or (isinstance(k, int) and tokens <= k):  # cannot bind: the ordinary fused attention, bit for bit
        context = nn.functional.scaled_dot_product_attention(
            query, key, value, attention_mask, dropout_p=dropout, scale=scaling, is_causal=causal
        )
        return context.transpose(1, 2).contiguous(), None
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    lengths: Tensor | None = None
    if causal:
        attention_mask = torch.ones(queries, tokens, dtype=torch.bool, device=query.device).tril()
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        else:
            scores = scores + attention_mask
        lengths = (attention_mask if attention_mask.dtype == torch.bool else attention_mask == 0).sum(-1, keepdim=True)
    kept = _largest(scores.softmax(-1), k, lengths)
    kept = nn.functional.dropout(kept, p=dropout, training=module.training)
    return (kept @ value).transpose(1, 2).contiguous(), kept


def _largest(probabilities: Tensor, k: int | float, lengths: Tensor | None) -> Tensor:
    """Zeros but for the ``k`` largest of (batch, heads, queries, tokens); a float is that share of each length."""
    tokens = probabilities.shape[-1]
    most = k if isinstance(k, int) else math.ceil(k * tokens)
    largest, where = probabilities.topk(most, -1, sorted=isinstance(k, float))
    if isinstance(k, float) and lengths is not None:
        rank = torch.arange(most, device=largest.device)
        largest = largest * (rank < torch.ceil(k * lengths))
    return torch.zeros_like(probabilities).scatter(-1, where, largest)


class HardDropout(nn.Module):
    """Hard attention for a core that no attention interface reaches: it stands where the probabilities pass through.

    Args:
        dropout: what stood there; it comes after.
    """

    axkit_topk: int | float | None

    def __init__(self, dropout: nn.Module) -> None:
        super().__init__()
        self.dropout = dropout
        self.axkit_topk = None

    def forward(self, probabilities: Tensor) -> Tensor:
        """(batch, heads, queries, tokens) -> the same, with the K largest kept."""
        k = self.axkit_topk
        if k is not None and k < probabilities.shape[-1]:
            # the mask does not come here: a key that some head gives a share to is a real one; where all are masked
            # (a padded query) all have a share, so the query with the fewest tells the length
            lengths = (probabilities > 0).any(1).sum(-1).amin(-1)
            probabilities = _largest(probabilities, k, lengths[:, None, None, None])
        return self.dropout(probabilities)  # type: ignore[no-any-return]


def register_hard_attention() -> None:
    """Make ``axkit_hard`` known to transformers, with a mask of its own (without one padding would be attended to)."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(HARD, _hard_attention)
    AttentionMaskInterface.register(HARD, eager_mask)


def harden(core: Any, k: int | float | None) -> None:
    """Give one attention core its K (None: dense again).

    The core gets a copy of the config, so that a later ``set_attn_implementation`` on the model, which writes to the
    shared one, cannot silently make it dense.
    """
    register_hard_attention()
    core.axkit_topk = k
    core.config = copy.copy(core.config)
    core.config._attn_implementation_internal = HARD
