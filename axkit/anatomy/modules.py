"""The few modules that stand where something was removed, and hard attention itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from axkit.anatomy.plain import Plain

HARD = "axkit_hard"
_FEW_THREADS = 4  # where topk shares its rows among as many or more, it catches up


class Zero(nn.Module):
    """Adds nothing to the residual stream, at the cost of one scalar."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return a 0-dimensional zero of the input's dtype and device."""
        return hidden.new_zeros(())

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("Zero")


class PassOn(nn.Module):
    """Stands for a whole layer: gives back what comes in.

    Args:
        layer: whose place it takes.
        attributes: of that layer, which the model reads.
        returns_tuple: whether layers of this architecture return (hidden states, ...).
    """

    def __init__(self, layer: nn.Module, attributes: Sequence[str], returns_tuple: bool) -> None:
        super().__init__()
        self._returns_tuple, self._attributes = returns_tuple, list(attributes)
        for name in attributes:
            setattr(self, name, getattr(layer, name))

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        """(batch, tokens, hidden) -> the same."""
        return (hidden_states, None) if self._returns_tuple else hidden_states


class NoLayer(PassOn):
    """Stands for a layer that was removed altogether, LayerNorms and all; arguments as of ``PassOn``."""

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("NoLayer", {"attributes": self._attributes, "returns_tuple": self._returns_tuple})


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

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("NoCore", {"norm": self._norm})


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

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("NoHeads", {"out": self._out, "norm": self._norm})


STAND_INS: dict[str, type[nn.Module]] = {"zero": Zero, "no_attention": NoAttention, "identity": nn.Identity}


def hard_attention(
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
    if not can_bind(k, tokens):  # the ordinary fused attention, bit for bit
        context = nn.functional.scaled_dot_product_attention(
            query, key, value, attention_mask, dropout_p=dropout, scale=scaling, is_causal=causal
        )
        return context.transpose(1, 2).contiguous(), None
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if causal:
        attention_mask = torch.ones(queries, tokens, dtype=torch.bool, device=query.device).tril()
    scores, lengths = masked(scores, attention_mask)
    exact = torch.float32 if scores.dtype in (torch.bfloat16, torch.float16) else None
    kept = largest(scores.softmax(-1, dtype=exact), k, lengths).to(value.dtype)
    kept = nn.functional.dropout(kept, p=dropout, training=module.training)
    return (kept @ value).transpose(1, 2).contiguous(), kept


def can_bind(k: int | float | None, tokens: int) -> TypeGuard[int | float]:
    """Whether hard attention with this K may change anything in a batch of so many tokens.

    While a call is recorded for batches of any length it may: a branch on the length would be frozen.
    """
    return k is not None and (is_recorded() or not (isinstance(k, int) and tokens <= k))


def is_recorded() -> bool:
    """Whether torch traces, exports or compiles this call."""
    return torch.compiler.is_compiling() or bool(torch._C._get_tracing_state())


def masked(scores: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Scores with the masked keys out of the running, and how many keys each query has, (..., 1)."""
    if mask is None:
        return scores, None
    kept = mask if mask.dtype == torch.bool else mask == 0
    lowest = torch.finfo(scores.dtype).min
    scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    return scores, kept.sum(-1, keepdim=True)


def largest(probabilities: Tensor, k: int | float, lengths: Tensor | None) -> Tensor:
    """Zeros but for the ``k`` largest of (batch, heads, queries, tokens); a float is that share of each length."""
    if isinstance(k, int) and _sorts_faster(probabilities):
        return _largest_sorted(probabilities, k)
    return _largest_chosen(probabilities, k, lengths)


def _largest_chosen(probabilities: Tensor, k: int | float, lengths: Tensor | None) -> Tensor:
    """As ``largest``, by ``topk``; (..., tokens)."""
    if is_recorded():
        return _largest_of_any_length(probabilities, k, lengths)
    most = k if isinstance(k, int) else math.ceil(k * probabilities.shape[-1])
    largest, where = probabilities.topk(most, -1, sorted=isinstance(k, float))
    if isinstance(k, float) and lengths is not None:
        rank = torch.arange(most, device=largest.device)
        largest = largest * (rank < torch.ceil(k * lengths))
    return torch.zeros_like(probabilities).scatter(-1, where, largest)


def _largest_of_any_length(probabilities: Tensor, k: int | float, lengths: Tensor | None) -> Tensor:
    """As ``largest``; recorded, it is right for any number of tokens, fewer than K among them; (..., tokens)."""
    n = probabilities.shape[-1]
    if isinstance(k, int):
        padded = nn.functional.pad(probabilities, (0, k))  # K zeros more: then there are K to be had
        largest, where = padded.topk(k, -1, sorted=False)
        return torch.zeros_like(padded).scatter(-1, where, largest)[..., :n]
    largest, where = probabilities.sort(-1, descending=True)
    rank = torch.arange(n, device=largest.device)
    tokens = torch.ones_like(probabilities, dtype=torch.float64).sum(-1, keepdim=True)
    kept = rank < torch.ceil(k * tokens)
    if lengths is not None:
        kept = kept & (rank < torch.ceil(k * lengths))
    return torch.zeros_like(probabilities).scatter(-1, where, largest * kept)


def _sorts_faster(probabilities: Tensor) -> bool:
    """Whether numpy's vectorised sort, on one thread, beats ``topk``: four times as fast on a CPU with AVX-512.

    Plain values that nobody differentiates, traces or exports.
    """
    return (
        type(probabilities) is Tensor
        and probabilities.device.type == "cpu"
        and probabilities.dtype in (torch.float32, torch.float64)
        and not (torch.is_grad_enabled() and probabilities.requires_grad)
        and torch.get_num_threads() < _FEW_THREADS
        and not is_recorded()
    )


def _largest_sorted(probabilities: Tensor, k: int) -> Tensor:
    """As ``largest``: those from the K-th largest up; rows where it has equals go to ``topk``, which takes K."""
    ascending = np.sort(probabilities.detach().numpy(), axis=-1)
    last, next_one = ascending[..., -k], ascending[..., -k - 1]
    kept = probabilities * (probabilities >= torch.from_numpy(last)[..., None])
    tied = torch.from_numpy((next_one == last) & (last > 0))
    if bool(tied.any()):
        kept[tied] = _largest_chosen(probabilities[tied], k, None)
    return kept


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
        if can_bind(k, probabilities.shape[-1]):
            # the mask does not come here: a key that some head gives a share to is a real one; where all are masked
            # (a padded query) all have a share, so the query with the fewest tells the length
            lengths = (probabilities > 0).any(1).sum(-1).amin(-1)
            probabilities = largest(probabilities, k, lengths[:, None, None, None])
        return self.dropout(probabilities)  # type: ignore[no-any-return]

    def plain(self) -> Plain:
        """Its twin without axkit."""
        return Plain("HardDropout", {"k": self.axkit_topk})


def register_hard_attention() -> None:
    """Make ``axkit_hard`` known to transformers, with a mask of its own (without one padding would be attended to)."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(HARD, hard_attention)
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
