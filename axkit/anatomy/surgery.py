"""The one surgeon: makes a module match a Structure. Every structural pass goes through here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from axkit.anatomy.family import Family, Role
from axkit.anatomy.modules import STAND_INS, FirstTokenCore, KeepFirst, NoHeads, NoLayer, harden
from axkit.anatomy.structure import LayerStructure, Structure
from axkit.errors import NotApplicable


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
    """True when this model's head reads nothing of the last layer but its first token."""
    return any(type(model).__name__.endswith(f"For{head}") for head in family.first_token_heads)


def carve(model: Any, family: Family, now: Structure, then: Structure) -> None:
    """Remove, in place, what ``then`` no longer has. The result's logits equal those of the masked model.

    Args:
        model: a transformers model whose modules match ``now``.
        family: its architecture.
        now: the structure that the module has.
        then: the structure it shall have; nothing that is already gone can come back.

    Raises:
        ValueError: ``then`` has something that ``now`` has lost.
        NotApplicable: first-token-only was asked of a model whose head reads more.
    """
    if not then.is_within(now):
        raise ValueError("a carved model cannot grow back: the new structure is not within the present one")
    head_size = family.size(model.config, "hidden") // then.n_heads
    modules = model.base_model.get_submodule(family.layers)
    last = None
    for layer in list(layers_of(model, family)):
        if then.layers[layer.index].present:
            carve_layer(layer, family, now.layers[layer.index], then.layers[layer.index], head_size)
            last = layer
        else:
            modules[layer.index] = NoLayer(layer.module)
    _carve_first_token(model, family, now, then, last)


def _carve_first_token(model: Any, family: Family, now: Structure, then: Structure, last: Layer | None) -> None:
    """First token only is a state of the last layer that is there; it moves when that layer is removed."""
    if not then.first_token_only:
        return
    if not check_first_token(model, family):
        raise NotApplicable(f"{type(model).__name__} reads more than the first token: leave first_token_only off")
    before = max((i for i, layer in enumerate(now.layers) if layer.present), default=None)
    if last is not None and not (now.first_token_only and last.index == before):
        _first_token_only(last)


def carve_layer(layer: Layer, family: Family, now: LayerStructure, then: LayerStructure, head_size: int) -> None:
    """:func:`carve` for one layer; ``head_size`` is in values per head."""
    if now.attention and not then.attention:
        for path, kind in family.removed.attention.items():
            layer.put(path, STAND_INS[kind]())
    elif then.attention and then.heads != now.heads:
        _keep_heads(layer, now, then, head_size)
    if now.ffn and not then.ffn:
        for path, kind in family.removed.ffn.items():
            layer.put(path, STAND_INS[kind]())
    elif then.ffn and then.neurons != now.neurons:
        kept = _positions(now.neurons, then.neurons)
        layer.put(layer.path("ffn_in"), slice_linear(layer.ffn_in, rows=kept))
        layer.put(layer.path("ffn_out"), slice_linear(layer.ffn_out, columns=kept))
    if then.attention and then.heads and then.hard_k != now.hard_k:
        harden(layer.attention_core, then.hard_k)


def _keep_heads(layer: Layer, now: LayerStructure, then: LayerStructure, head_size: int) -> None:
    kept = [p * head_size + d for p in _positions(now.heads, then.heads) for d in range(head_size)]
    out, core = layer.path("attention_out"), layer.path("attention_core")
    layer.put(out, slice_linear(layer.attention_out, columns=kept))
    if kept:
        for role in ("query", "key", "value"):
            path = layer.path(role)
            layer.put(path, slice_linear(layer.module.get_submodule(path), rows=kept))
        return
    inside = _below(core, out)
    layer.put(core, NoHeads((inside, layer.attention_out) if inside else None))


def _first_token_only(layer: Layer) -> None:
    core = layer.path("attention_core")
    if not isinstance(layer.attention_core, (*STAND_INS.values(), NoHeads)):
        names = [_below(core, layer.path(role)) for role in ("query", "key", "value", "attention_out")]
        query, key, value, out = names
        if query is None or key is None or value is None:
            raise NotApplicable("the family file puts the projections outside the attention core")
        layer.put(core, FirstTokenCore(layer.attention_core, query, key, value, out))
    layer.module.register_forward_pre_hook(KeepFirst(core), with_kwargs=True)


def _below(parent: str, path: str) -> str | None:
    return path.removeprefix(parent + ".") if path.startswith(parent + ".") else None


def _positions(now: tuple[int, ...], then: tuple[int, ...]) -> list[int]:
    place = {index: position for position, index in enumerate(now)}
    return [place[index] for index in then]


def slice_linear(linear: nn.Module, rows: list[int] | None = None, columns: list[int] | None = None) -> nn.Linear:
    """A copy of a linear layer with some of its outputs (rows) or inputs (columns); the bias follows the rows."""
    if not isinstance(linear, nn.Linear):
        raise NotApplicable(f"{type(linear).__name__} holds no float weights to slice; prune before quantizing")
    weight, bias = linear.weight.detach(), linear.bias
    if rows is not None:
        weight = weight[rows]
        bias = bias if bias is None else nn.Parameter(bias.detach()[rows])
    if columns is not None:
        weight = weight[:, columns]
    # The shell is built on meta: no random weights are drawn, so the caller's random state stays put.
    new = nn.Linear(1, 1, bias=bias is not None, device="meta")
    new.out_features, new.in_features = weight.shape
    new.weight = nn.Parameter(weight.clone(), requires_grad=linear.weight.requires_grad)
    if bias is not None:
        new.bias = nn.Parameter(bias.detach().clone(), requires_grad=linear.weight.requires_grad)
    return new.train(linear.training)
