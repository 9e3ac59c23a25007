"""The one surgeon: makes a module match a Structure. Every structural pass goes through here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.family import Family, Role
from axkit.anatomy.first_token import FirstTokenAdded, FirstTokenCore, KeepFirst
from axkit.anatomy.modules import (
    STAND_INS,
    HardDropout,
    NoAttention,
    NoHeads,
    NoLayer,
    harden,
)
from axkit.anatomy.per_head import KeepPerHead, keep_per_head
from axkit.anatomy.structure import LayerStructure, Structure
from axkit.ground.errors import NotApplicable


class Layer:
    """One physical layer, spoken to by role: ``layer.ffn_in``, ``layer.query``."""

    def __init__(self, index: int, module: nn.Module, family: Family) -> None:
        self.index, self.module, self._family = index, module, family

    def path(self, role: Role) -> str:
        """The dotted path of a role's module within the layer."""
        if role not in self._family.roles:
            raise NotApplicable(f"family '{self._family.model_type}' has no role '{role}'")
        return self._family.roles[role]

    def __getattr__(self, role: str) -> nn.Module:
        if role.startswith("_"):
            raise AttributeError(role)
        return self.module.get_submodule(self.path(role))  # type: ignore[arg-type]  # an unknown role raises there

    def put(self, path: str, module: nn.Module) -> None:
        """Replace the module at a dotted path of the layer."""
        parent, _, name = path.rpartition(".")
        setattr(self.module.get_submodule(parent), name, module)

    def matrix(self, role: Role) -> Tensor:
        """The weight of a projection, (outputs, inputs) whatever the architecture's own layout."""
        return matrix(self.module.get_submodule(self.path(role)))

    def query_key_value(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three weights, each (heads * head size, hidden), fused in the architecture or not."""
        if self._family.fused_qkv:
            query, key, value = self.matrix("qkv").chunk(3)
            return query, key, value
        return self.matrix("query"), self.matrix("key"), self.matrix("value")

    def neuron_weights(self) -> Tensor:
        """What leads into each feed-forward neuron: (neurons, hidden), with a gate (neurons, 2 * hidden)."""
        weight = self.matrix("ffn_in")
        if not self._family.gated_ffn:
            return weight
        return torch.cat(weight.chunk(2), dim=1)

    @property
    def hard(self) -> Any:
        """The module that carries ``axkit_topk``, the K of hard attention."""
        return self.attention_dropout if "attention_dropout" in self._family.roles else self.attention_core


def layers_of(model: Any, family: Family) -> Iterator[Layer]:
    """The layers of a model in order, first to last; one that was removed is left out, the others keep their index."""
    for index, module in enumerate(model.base_model.get_submodule(family.layers)):
        if not isinstance(module, NoLayer):
            yield Layer(index, module, family)


def dense_structure(model: Any, family: Family) -> Structure:
    """The structure of a stock model, from its config."""
    config = model.config
    return Structure.dense(
        family.size(config, "layers"), family.size(config, "heads"), family.size(config, "ffn_width")
    )


def check_first_token(model: Any, family: Family) -> bool:
    """True when this model's last layer can be computed for its first token alone, as its head reads no other."""
    if "first_token_only" in family.limits:
        return False
    return any(type(model).__name__.endswith(f"For{head}") for head in family.first_token_heads)


def carve(model: Any, family: Family, now: Structure, then: Structure) -> None:
    """Remove, in place, what ``then`` no longer has. The result's logits equal those of the masked model.

    Args:
        model: a transformers model whose modules match ``now``.
        family: its architecture.
        now: the structure that the module has.
        then: the structure it shall have; nothing that is already gone can come back.

    Raises:
        ValueError, NotApplicable: as ``check_cut``; the model is then as it was.
    """
    check_cut(model, family, now, then)
    head_size = family.size(model.config, "hidden") // then.n_heads
    modules = model.base_model.get_submodule(family.layers)
    last = None
    for layer in list(layers_of(model, family)):
        if then.layers[layer.index].present:
            carve_layer(layer, family, now.layers[layer.index], then.layers[layer.index], head_size)
            last = layer
        else:
            modules[layer.index] = NoLayer(layer.module, family.layer_attributes, family.layer_returns_tuple)
    _carve_first_token(model, family, now, then, last)


def _carve_first_token(model: Any, family: Family, now: Structure, then: Structure, last: Layer | None) -> None:
    """First token only is a state of the last layer that is there; it moves when that layer is removed."""
    if then.first_token_only and last is not None and not (now.first_token_only and last.index == now.last):
        head_size = family.size(model.config, "hidden") // then.n_heads
        _first_token_only(last, family, model.config, head_size)


def check_cut(model: Any, family: Family, now: Structure, then: Structure) -> None:
    """Refuse what ``carve`` cannot do, before anything is touched; arguments as there.

    Raises:
        ValueError: ``then`` has something that ``now`` has lost.
        NotApplicable: first-token-only was asked of a model whose head reads more, or the family cannot lose what
            is to go (its ``limits``).
    """
    if not then.is_within(now):
        raise ValueError("a carved model cannot grow back: the new structure is not within the present one")
    for before, after in zip(now.layers, then.layers, strict=True):
        _refuse_parts(family, before, after)
    if then.first_token_only and not check_first_token(model, family):
        why = family.limits.get("first_token_only", "its head reads more than the first token")
        raise NotApplicable(f"{type(model).__name__}: {why}; leave first_token_only off")


def _refuse_parts(family: Family, now: LayerStructure, then: LayerStructure) -> None:
    if then.attention and then.heads != now.heads:
        family.refuse_limited("heads")
    if then.ffn and then.neurons != now.neurons:
        family.refuse_limited("neurons")


def carve_layer(layer: Layer, family: Family, now: LayerStructure, then: LayerStructure, head_size: int) -> None:
    """``carve`` for one layer; ``head_size`` is in values per head."""
    _refuse_parts(family, now, then)
    if now.attention and not then.attention:
        for path, kind in family.removed.attention.items():
            stands_for_core = kind == "no_attention"
            layer.put(path, NoAttention(_own_norm(layer, family)) if stands_for_core else STAND_INS[kind]())
    elif then.attention and then.heads != now.heads:
        _keep_heads(layer, family, now, then, head_size)
    if now.ffn and not then.ffn:
        for path, kind in family.removed.ffn.items():
            layer.put(path, STAND_INS[kind]())
    elif then.ffn and then.neurons != now.neurons:
        kept = _positions(now.neurons, then.neurons)
        rows = _in_blocks(kept, 2 if family.gated_ffn else 1, len(now.neurons))
        layer.put(layer.path("ffn_in"), slice_linear(layer.ffn_in, rows=rows))
        layer.put(layer.path("ffn_out"), slice_linear(layer.ffn_out, columns=kept))
    if then.attention and then.heads and then.hard_k != now.hard_k:
        _harden(layer, family, then.hard_k)


def _harden(layer: Layer, family: Family, k: int | float | None) -> None:
    if "attention_dropout" not in family.roles:
        harden(layer.attention_core, k)
        return
    if not isinstance(layer.hard, HardDropout):
        layer.put(layer.path("attention_dropout"), HardDropout(layer.hard))
    layer.hard.axkit_topk = k


def _keep_heads(layer: Layer, family: Family, now: LayerStructure, then: LayerStructure, head_size: int) -> None:
    kept = [p * head_size + d for p in _positions(now.heads, then.heads) for d in range(head_size)]
    out, core = layer.path("attention_out"), layer.path("attention_core")
    layer.put(out, slice_linear(layer.attention_out, columns=kept))
    if not kept:
        inside = _below(core, out)
        layer.put(core, NoHeads((inside, layer.attention_out) if inside else None, _own_norm(layer, family)))
        return
    apart: tuple[Role, ...] = ("query", "key", "value")
    paths = [*([] if family.fused_qkv else [layer.path(role) for role in apart])]
    paths += [path for path in family.also_per_head if _has(layer.module, path)]
    for path in paths:
        layer.put(path, slice_linear(layer.module.get_submodule(path), rows=kept))
    if family.fused_qkv:
        rows = _in_blocks(kept, 3, len(now.heads) * head_size)
        layer.put(layer.path("qkv"), slice_linear(layer.qkv, rows=rows))
    for name, what in family.core_attributes.items():
        setattr(layer.attention_core, name, len(then.heads) if what == "heads" else len(kept))
    keep_per_head(layer.attention_core, family.per_head_inputs, then.heads)


def _own_norm(layer: Layer, family: Family) -> tuple[str, nn.Module] | None:
    """The norm that the attention core itself applies after adding the residual, by its name there; else None."""
    inside = _below(layer.path("attention_core"), layer.path("attention_norm"))
    return (inside, layer.attention_norm) if inside else None


def _has(module: nn.Module, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True


def _first_token_only(layer: Layer, family: Family, config: Any, head_size: int) -> None:
    core = layer.path("attention_core")
    if not isinstance(layer.attention_core, (*STAND_INS.values(), NoHeads)):
        query, key, value, out = (_below(core, layer.path(role)) for role in ("query", "key", "value", "attention_out"))
        if query is None or key is None or value is None:
            raise NotApplicable("the family file puts the projections outside the attention core")
        layer.put(core, _one_token_core(layer, family, config, (query, key, value, out), head_size))
    norm = layer.path("attention_norm") if family.pre_norm else None
    layer.module.register_forward_pre_hook(KeepFirst(core, norm), with_kwargs=True)


def _one_token_core(
    layer: Layer, family: Family, config: Any, names: tuple[str, str, str, str | None], head_size: int
) -> FirstTokenCore:
    """What takes the place of a layer's core, with the heads that it keeps of its inputs."""
    old = layer.attention_core
    if "attention_dropout" not in family.roles:
        return FirstTokenCore(old, names, head_size, float(getattr(config, str(family.config.attention_dropout))))
    dropout = _below(layer.path("attention_core"), layer.path("attention_dropout"))
    if dropout is None:
        raise NotApplicable("the family file puts the dropout of attention outside the attention core")
    new = FirstTokenAdded(old, names, head_size, family.per_head_inputs, dropout)
    for hook in [one for one in old._forward_pre_hooks.values() if isinstance(one, KeepPerHead)]:
        keep_per_head(new, family.per_head_inputs, hook.heads)
    return new


def _below(parent: str, path: str) -> str | None:
    return path.removeprefix(parent + ".") if path.startswith(parent + ".") else None


def _positions(now: tuple[int, ...], then: tuple[int, ...]) -> list[int]:
    place = {index: position for position, index in enumerate(now)}
    return [place[index] for index in then]


def _in_blocks(kept: list[int], blocks: int, size: int) -> list[int]:
    """The kept rows of each of several blocks of ``size`` rows that stand one above the other."""
    return [block * size + row for block in range(blocks) for row in kept]


def matrix(projection: nn.Module) -> Tensor:
    """The weight of a projection as (outputs, inputs).

    Raises:
        NotApplicable: it holds no float weights.
    """
    from transformers.pytorch_utils import Conv1D

    if isinstance(projection, nn.Linear):
        return projection.weight
    if isinstance(projection, Conv1D):  # (inputs, outputs)
        weight: Tensor = projection.weight
        return weight.T
    raise NotApplicable(f"{type(projection).__name__} holds no float weights to slice; prune before quantizing")


def _picked(values: Tensor, where: list[int], axis: int = 0) -> Tensor:
    return values.index_select(axis, torch.tensor(where, dtype=torch.long).to(values.device))


def slice_linear(projection: Any, rows: list[int] | None = None, columns: list[int] | None = None) -> nn.Linear:
    """A linear layer with some of the outputs (rows) or inputs (columns) of a projection; the bias follows the rows."""
    weight, bias = matrix(projection).detach(), projection.bias
    if rows is not None:
        weight = _picked(weight, rows)
        bias = bias if bias is None else nn.Parameter(_picked(bias.detach(), rows))
    if columns is not None:
        weight = _picked(weight, columns, 1)
    # The shell is built on meta: no random weights are drawn, so the caller's random state stays put.
    new = nn.Linear(1, 1, bias=bias is not None, device="meta")
    new.out_features, new.in_features = weight.shape
    trains = projection.weight.requires_grad
    new.weight = nn.Parameter(weight.clone(memory_format=torch.contiguous_format), requires_grad=trains)
    if bias is not None:
        new.bias = nn.Parameter(bias.detach().clone(), requires_grad=trains)
    for hook in projection._forward_pre_hooks.values():
        if getattr(hook, "axkit_travels", False):  # a rehearsal's; others may lean on what the new layer has not
            new.register_forward_pre_hook(hook)
    return new.train(projection.training)
