"""A model that axkit made smaller, for transformers alone: axkit itself is not needed, and not imported.

``AutoModelForX.from_pretrained(folder, trust_remote_code=True)`` runs this file. It makes the stock model that
config.json describes, then puts other modules in the place of some of its own, as the list ``axkit.modules`` there
says: narrower layers, what stands for a removed block, quantized layers. The weights come after, from the safetensors
file. It is the same in every such folder, but for the quantized layers at its end, where there are some. Apache-2.0.
"""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

HARD = "axkit_hard"


class Zero(nn.Module):
    """A removed block: adds nothing to the residual stream."""

    def __init__(self, _: nn.Module) -> None:
        super().__init__()

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """Anything -> a zero without dimensions."""
        return hidden.new_zeros(())


class NoLayer(nn.Module):
    """A removed layer: what comes in goes on."""

    def __init__(self, old: nn.Module, attributes: list[str], returns_tuple: bool) -> None:
        super().__init__()
        self.returns_tuple = returns_tuple
        for name in attributes:  # of the layer, which the model reads
            setattr(self, name, getattr(old, name))

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        """(batch, tokens, hidden) -> the same."""
        return (hidden_states, None) if self.returns_tuple else hidden_states


class NoCore(nn.Module):
    """A removed attention: a zero; where the core itself adds the residual and normalises, it does so still."""

    def __init__(self, old: nn.Module, norm: str | None) -> None:
        super().__init__()
        self.norm = norm
        if norm:
            self.add_module(norm, old.get_submodule(norm))

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """(batch, tokens, hidden) -> a zero without dimensions, or the normalised input; and None."""
        return (self.get_submodule(self.norm)(hidden_states) if self.norm else hidden_states.new_zeros(())), None


class NoHeads(nn.Module):
    """An attention that lost its heads one by one: the bias of its output projection is left."""

    def __init__(self, old: nn.Module, out: str | None, norm: str | None) -> None:
        super().__init__()
        self.out, self.norm = out, norm
        for name in (out, norm):
            if name:
                self.add_module(name, old.get_submodule(name))

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """(batch, tokens, hidden) -> (batch, tokens, 0 or hidden) and None."""
        added = hidden_states.new_zeros(*hidden_states.shape[:-1], 0)
        if self.out:
            added = self.get_submodule(self.out)(added)
        if self.norm:
            added = self.get_submodule(self.norm)(hidden_states + added)
        return added, None


# --- attention that keeps the K largest probabilities (arXiv 2010.03688) ----------------------------------------------


def hard_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor | None]:
    """For transformers' AttentionInterface: as it asks, and ``module.axkit_topk`` is the K (a float: a share)."""
    k, queries, tokens = module.axkit_topk, query.shape[2], key.shape[2]
    causal = attention_mask is None and queries > 1 and bool(getattr(module, "is_causal", False))
    if not may_bind(k, tokens):
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


def traced() -> bool:
    """Whether this call is being recorded for inputs of any length: no branch may depend on the length then."""
    return torch.compiler.is_compiling() or bool(torch._C._get_tracing_state())


def may_bind(k: float | None, tokens: int) -> bool:
    """Whether this K may change anything among so many tokens."""
    return k is not None and (traced() or not (isinstance(k, int) and tokens <= k))


def masked(scores: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Scores with the masked keys out of the running, and how many keys each query has, (..., 1)."""
    if mask is None:
        return scores, None
    kept = mask if mask.dtype == torch.bool else mask == 0
    lowest = torch.finfo(scores.dtype).min
    scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    return scores, kept.sum(-1, keepdim=True)


def largest(probabilities: Tensor, k: float, lengths: Tensor | None) -> Tensor:
    """Zeros but for the ``k`` largest of the last dimension; a float is that share of each length, rounded up."""
    n = probabilities.shape[-1]
    if isinstance(k, int):  # K zeros more: then there are K to be had of any length
        padded = nn.functional.pad(probabilities, (0, k)) if traced() else probabilities
        values, where = padded.topk(k, -1, sorted=False)
        return torch.zeros_like(padded).scatter(-1, where, values)[..., :n]
    most: Any = math.ceil(k * n)
    if traced():  # as a tensor, lest it be the number of this call's tokens for good
        most = torch.ceil(k * torch.ones_like(probabilities, dtype=torch.float64).sum(-1, keepdim=True))
    values, where = probabilities.topk(n if traced() else most, -1)
    rank = torch.arange(values.shape[-1], device=values.device)
    kept = (rank < most) if lengths is None else (rank < most) & (rank < torch.ceil(k * lengths))
    return torch.zeros_like(probabilities).scatter(-1, where, values * kept)


class HardDropout(nn.Module):
    """Hard attention where no interface reaches the core: in the place of what the probabilities pass through."""

    def __init__(self, old: nn.Module, k: float) -> None:
        super().__init__()
        self.dropout, self.axkit_topk = old, k

    def forward(self, probabilities: Tensor) -> Tensor:
        """(batch, heads, queries, tokens) -> the same, with the K largest kept."""
        if may_bind(self.axkit_topk, probabilities.shape[-1]):
            lengths = (probabilities > 0).any(1).sum(-1).amin(-1)  # a padded query gives all tokens a share
            probabilities = largest(probabilities, self.axkit_topk, lengths[:, None, None, None])
        return self.dropout(probabilities)  # type: ignore[no-any-return]


def harden(core: Any, k: float) -> None:
    """Give an attention core its K, and a config of its own that says how it attends."""
    AttentionInterface.register(HARD, hard_attention)
    AttentionMaskInterface.register(HARD, eager_mask)
    core.axkit_topk = k
    core.config = copy.copy(core.config)
    core.config._attn_implementation_internal = HARD


# --- a last layer that computes the first token alone -----------------------------------------------------------------


class FirstToken(nn.Module):
    """Attention of the first token over all tokens; ``KeepFirst`` lends it the whole sequence."""

    def __init__(self, old: Any, projections: list[str | None], head_size: int, dropout: float) -> None:
        super().__init__()
        for name, child in old.named_children():
            self.add_module(name, child)
        self.projections, self.head_size, self.share = projections, head_size, dropout
        self.config, self.scaling, self.is_causal = old.config, old.scaling, False
        self.axkit_topk = getattr(old, "axkit_topk", None)
        self.full: Tensor | None = None

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
        """(batch, 1, hidden) -> (batch, 1, heads * head size or hidden), and the probabilities or None."""
        full, self.full = self.full, None
        assert full is not None, "KeepFirst runs before"
        query, key, value, out = self.projections

        def heads(name: str | None, states: Tensor) -> Tensor:
            projected: Tensor = self.get_submodule(str(name))(states)
            return projected.view(*states.shape[:2], -1, self.head_size).transpose(1, 2)

        if attention_mask is not None and attention_mask.dim() == 4:
            attention_mask = attention_mask[:, :, :1, :]
        how, dropout = self.config._attn_implementation, self.share if self.training else 0.0
        attend = hard_attention if how in (None, "eager") else ALL_ATTENTION_FUNCTIONS[how]
        states = heads(query, hidden_states), heads(key, full), heads(value, full)
        context, weights = attend(self, *states, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs)
        context = context.reshape(full.shape[0], 1, -1)
        return (self.get_submodule(out)(context) if out else context), weights


class KeepFirst:
    """Before a layer: it goes on with the first token, and its attention is lent the rest, normalised if need be."""

    def __init__(self, core: str, norm: str | None) -> None:
        self.core, self.norm = core, norm

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden, *rest = args
        core = layer.get_submodule(self.core)
        if hasattr(core, "full"):
            core.full = layer.get_submodule(self.norm)(hidden) if self.norm else hidden
        return (hidden[:, :1], *rest), kwargs


class KeepPerHead:
    """Before an attention core that lost heads: of inputs with a row for each head it takes those of the heads left."""

    def __init__(self, places: dict[str, int], heads: list[int]) -> None:
        self.places, self.heads = places, heads

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(args)
        for name, place in self.places.items():
            if place < len(given) and given[place] is not None:
                given[place] = given[place][:, self.heads]
            elif kwargs.get(name) is not None:
                kwargs = {**kwargs, name: kwargs[name][:, self.heads]}
        return tuple(given), kwargs


# --- putting them in --------------------------------------------------------------------------------------------------


Identity = nn.Identity


def Linear(_: nn.Module, in_features: int, out_features: int, bias: bool) -> nn.Module:
    """A narrower linear layer, without numbers: they come from the file. Quantizers know it, as it is a plain one."""
    new = nn.Linear(1, 1, bias=bias, device="meta")
    new.in_features, new.out_features = in_features, out_features
    new.weight = nn.Parameter(torch.empty(out_features, in_features))
    new.bias = nn.Parameter(torch.empty(out_features)) if bias else None  # type: ignore[assignment]
    return new


def rebuild(model: nn.Module, changes: list[dict[str, Any]]) -> None:
    """Make the changes that config.json lists, in their order: what is inside a module comes before it."""
    for change in changes:
        at, settings = change["at"], change.get("settings", {})
        found: Any = model.get_submodule(at)
        if "put" in change:
            parent, _, name = at.rpartition(".")
            setattr(model.get_submodule(parent), name, globals()[change["put"]](found, **settings))
        elif "hook" in change:
            found.register_forward_pre_hook(globals()[change["hook"]](**settings), with_kwargs=True)
        elif "hard_k" in change:
            harden(found, change["hard_k"])
        else:
            vars(found).update(settings)


@cache
def config_class(stock: Any) -> Any:
    """The stock config, and one field that says what was done to the model."""
    fields = {"model_type": f"axkit_{stock.model_type}", "__annotations__": {"axkit": dict[str, Any] | None}}
    return type(f"Axkit{stock.__name__}", (stock,), {**fields, "axkit": None, "__module__": __name__})


@cache
def model_class(stock: Any) -> Any:
    """The stock model, rebuilt as the config says."""

    def __init__(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        stock.__init__(self, config, *args, **kwargs)
        rebuild(self, config.axkit["modules"])

    fields = {"__init__": __init__, "config_class": config_class(stock.config_class), "__module__": __name__}
    return type(f"Axkit{stock.__name__}", (stock,), fields)


def __getattr__(name: str) -> Any:
    """``AxkitBertConfig``, ``AxkitBertForSequenceClassification`` and so on: made of transformers' own of that name."""
    stock = getattr(transformers, name.removeprefix("Axkit"), None) if name.startswith("Axkit") else None
    if stock is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return model_class(stock) if issubclass(stock, nn.Module) else config_class(stock)
