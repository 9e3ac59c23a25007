"""A last layer that computes the first token alone, where the head reads no other: exact, and cheaper."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.modules import can_bind, hard_attention, largest, masked
from axkit.anatomy.per_head import inputs_of
from axkit.anatomy.plain import Plain


class FirstTokenCore(nn.Module):
    """Attention of the first token over all tokens, with the projections of the core it replaces.

    The layer around it sees one token only; the full sequence arrives through ``KeepFirst``.

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
        self.config: Any = getattr(core, "config", None)
        self.scaling = getattr(core, "scaling", head_size**-0.5)
        self.head_size, self.dropout_share = head_size, dropout
        self.is_causal, self.training = False, core.training
        self.axkit_topk = getattr(core, "axkit_topk", None)
        self.full = None

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
        """(batch, 1, hidden) -> (batch, 1, heads * head size or hidden), probabilities or None."""
        from transformers.integrations.sdpa_attention import sdpa_attention_forward
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        full, self.full = self.full, None
        assert full is not None, "KeepFirst runs before the core"
        query, key, value, out = self._names
        if attention_mask is not None and attention_mask.dim() == 4:
            attention_mask = attention_mask[:, :, :1, :]
        how = self.config._attn_implementation
        attend = hard_attention if how in (None, "eager") else ALL_ATTENTION_FUNCTIONS[how]
        ours = attend in (hard_attention, sdpa_attention_forward)  # not somebody's who wants to see keys
        if ours and not torch.is_grad_enabled() and self._can_fold():
            asked = self._heads(query, hidden_states)
            # not in a lower precision: turning tokens and weights into it costs more than it saves in so short sums
            with torch.autocast(full.device.type, enabled=False):
                context, weights = self._folded(asked.float(), full.float(), attention_mask)
            return (self.get_submodule(out)(context) if out else context), weights
        context, probabilities = attend(
            self,
            self._heads(query, hidden_states),
            self._heads(key, full),
            self._heads(value, full),
            attention_mask,
            dropout=self.dropout_share if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        context = context.reshape(full.shape[0], 1, -1)
        return (self.get_submodule(out)(context) if out else context), probabilities

    def plain(self) -> Plain:
        """Its twin without axkit, which computes keys and values."""
        settings = {"projections": list(self._names), "head_size": self.head_size, "dropout": self.dropout_share}
        return Plain("FirstToken", settings)

    def _heads(self, name: str, states: Tensor) -> Tensor:
        """(batch, tokens, hidden) -> (batch, heads, tokens, head size), by a projection."""
        projected: Tensor = self.get_submodule(name)(states)
        return projected.view(*states.shape[:2], -1, self.head_size).transpose(1, 2)

    def _can_fold(self) -> bool:
        """Plain linear layers that nobody watches; what is quantized, or adapted, computes in its own way."""
        inner: list[Any] = [self.get_submodule(name) for name in self._names[1:3]]
        return all(
            type(m) is nn.Linear
            and m.weight.dtype == torch.float32
            and not (m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__)
            for m in inner
        )

    def _folded(self, query: Tensor, full: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys and values of one query, without computing them: q (W x + b) = (q W) x + q b, and likewise behind.

        For one query a head's projection costs a vector, not a product over all tokens; the same sums in another order.

        Args:
            query: (batch, heads, 1, head size).
            full: (batch, tokens, hidden).
            mask: None, bool (True keeps) or additive, broadcastable to (batch, heads, 1, tokens).

        Returns:
            context (batch, 1, heads * head size), probabilities (batch, heads, 1, tokens).
        """
        key, value = (self._by_head(name) for name in self._names[1:3])
        query = query[:, :, 0] * self.scaling  # (batch, heads, head size)
        scores = torch.einsum("bhe,hed->bhd", query, key[0]) @ full.transpose(1, 2)
        if key[1] is not None:
            scores = scores + (query * key[1]).sum(-1, keepdim=True)
        scores, lengths = masked(scores[:, :, None], mask)
        weights = self._kept(scores.softmax(-1), lengths)
        context = torch.einsum("bhd,hed->bhe", weights[:, :, 0] @ full, value[0])
        if value[1] is not None:
            context = context + weights.sum(-1) * value[1]
        return context.flatten(1)[:, None], weights

    def _kept(self, weights: Tensor, lengths: Tensor | None) -> Tensor:
        """What hard attention leaves of the probabilities, (batch, heads, 1, tokens)."""
        k = self.axkit_topk
        return largest(weights, k, lengths) if can_bind(k, weights.shape[-1]) else weights

    def _by_head(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Weight (heads, head size, hidden) and bias (heads, head size) of a projection."""
        linear: Any = self.get_submodule(name)
        weight = linear.weight.view(-1, self.head_size, linear.in_features)
        return weight, None if linear.bias is None else linear.bias.view(-1, self.head_size)


class FirstTokenAdded(FirstTokenCore):
    """Likewise, of a core that computes its probabilities itself, and adds inputs with a row for each head to scores.

    Of such an input, (batch or 1, heads, tokens, tokens), it takes the first token's row: MPNet's position bias, say.

    Args:
        core: what it replaces.
        names: as for ``FirstTokenCore``.
        head_size: values per head.
        added: the inputs, as the core's ``forward`` calls them.
        dropout: name within the core of the module that the probabilities pass through.
    """

    def __init__(
        self, core: Any, names: tuple[str, str, str, str | None], head_size: int, added: tuple[str, ...], dropout: str
    ) -> None:
        super().__init__(core, names, head_size, 0.0)
        self.inputs, self.added, self.dropout_name = inputs_of(core), list(added), dropout

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """(batch, 1, hidden), and the core's other inputs -> (batch, 1, heads * head size or hidden), probabilities."""
        full, self.full = self.full, None
        assert full is not None, "KeepFirst runs before the core"
        given = dict(zip(self.inputs[1:], args, strict=False)) | kwargs
        added = _first_rows(given.get("attention_mask"), [given.get(name) for name in self.added], full.dtype)
        query, key, value, out = self._names
        asked = self._heads(query, hidden_states)
        if not torch.is_grad_enabled() and self._can_fold():
            with torch.autocast(full.device.type, enabled=False):  # as in the core above
                context, weights = self._folded(asked.float(), full.float(), None if added is None else added.float())
        else:
            scores = asked @ self._heads(key, full).transpose(2, 3) * self.scaling
            weights = self._kept((scores if added is None else scores + added).softmax(-1), None)
            context = (weights @ self._heads(value, full)).transpose(1, 2).flatten(2)
        return (self.get_submodule(out)(context) if out else context), weights

    def _kept(self, weights: Tensor, lengths: Tensor | None) -> Tensor:
        """What the core's own module leaves of the probabilities; hard attention stands there."""
        kept: Tensor = self.get_submodule(self.dropout_name)(weights)
        return kept

    def plain(self) -> Plain:
        """Its twin without axkit."""
        settings = {"projections": list(self._names), "head_size": self.head_size, "scaling": self.scaling}
        settings |= {"inputs": self.inputs, "added": self.added, "dropout": self.dropout_name}
        return Plain("FirstTokenAdded", settings, "axkit.runtimes.torch.plain.first_token_added")


def _first_rows(mask: Tensor | None, added: list[Tensor | None], dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of the first token, (batch or 1, heads or 1, 1, tokens); None where nothing is."""
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
    rows = [one[:, :, :1] if one.dim() == 4 else one for one in (mask, *added) if one is not None]
    return sum(rows[1:], rows[0]) if rows else None


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

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("KeepFirst", {"core": self.core, "norm": self.norm})
