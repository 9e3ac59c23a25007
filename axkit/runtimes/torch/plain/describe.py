"""What was done to a stock model, as a list of changes that the modeling file makes again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import HardDropout
from axkit.anatomy.plain import HasPlain, Plain
from axkit.anatomy.surgery import layers_of


@dataclass(frozen=True)
class Change:
    """One change of a model: of four kinds, by which of ``put``, ``hook`` and ``hard_k`` is there.

    Attributes:
        at: dotted name of the module; empty for the model itself.
        put: class of the modeling file that takes the module's place.
        hook: class of the modeling file that is called before the module.
        hard_k: of an attention core, for hard attention.
        settings: of that class; else attributes of the module.
        source: of the class, as in ``Plain``.
    """

    at: str
    put: str = ""
    hook: str = ""
    hard_k: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """As config.json has it; the source is in the folder itself."""
        said = {"put": self.put, "hook": self.hook, "hard_k": self.hard_k, "settings": dict(self.settings)}
        return {"at": self.at, **{name: value for name, value in said.items() if value not in ("", None, {})}}


def changes(module: Any, stock: Any, config: Any, family: Family) -> list[Change] | None:
    """What turns a freshly made stock model into one that takes this one's weights and computes the same.

    Args:
        module: as it is to be saved.
        stock: the class of transformers that it was made of.
        config: of the stock model, with the dense model's sizes.
        family: its architecture.

    Returns:
        In the order in which they are to be made; None where some module has no twin without axkit.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        dense: nn.Module = stock(config)
    theirs, ours = dict(dense.named_modules()), dict(module.named_modules())
    found: list[Change] = []
    for name in sorted(ours, key=lambda path: -path.count(".")):
        if name in theirs:
            change = _change(name, ours[name], theirs[name])
            if change is None:
                return None
            found += change
    if _adds(ours, theirs, {one.at for one in found if one.put}):
        return None
    return [*found, *_attributes(ours, theirs, family, module), *_hooks(ours)]


def _adds(ours: Mapping[str, nn.Module], theirs: Mapping[str, nn.Module], put: set[str]) -> bool:
    """Whether there is something more, of which nobody says how it is made: a module, or what runs before or behind."""
    inside = tuple(f"{name}." for name in put)
    hooks = (hook for one in ours.values() for hook in (*one._forward_pre_hooks.values(), *one._forward_hooks.values()))
    more = (name for name in ours.keys() - theirs.keys() if not name.startswith(inside))
    return any(more) or not all(isinstance(hook, HasPlain) for hook in hooks)


def _change(name: str, ours: nn.Module, theirs: nn.Module) -> list[Change] | None:
    """None: it is another module, and nobody says how it is made."""
    if isinstance(ours, HasPlain):
        return [_put(name, ours.plain())]
    if type(ours) is nn.Linear or type(ours).__module__.startswith("bitsandbytes."):  # that transformers puts in itself
        assert isinstance(ours, nn.Linear)
        size = (ours.in_features, ours.out_features, ours.bias is not None)
        if isinstance(theirs, nn.Linear) and size == (theirs.in_features, theirs.out_features, theirs.bias is not None):
            return []
        return [Change(name, "Linear", settings=dict(zip(("in_features", "out_features", "bias"), size, strict=True)))]
    if type(ours) is nn.Identity and type(theirs) is not nn.Identity:
        return [Change(name, "Identity")]
    return [] if type(ours) is type(theirs) or not name else None  # the whole is of a class of ours, made of theirs


def _put(name: str, plain: Plain) -> Change:
    return Change(name, plain.name, settings=plain.settings, source=plain.source)


def _attributes(
    ours: Mapping[str, nn.Module], theirs: Mapping[str, nn.Module], family: Family, module: Any
) -> Iterator[Change]:
    cores = {id(layer.attention_core) for layer in layers_of(module, family)}
    for name, one in ours.items():
        if id(one) in cores and type(one) is type(theirs[name]):
            names = [n for n in family.core_attributes if getattr(one, n) != getattr(theirs[name], n)]
            if names:
                yield Change(name, settings={n: getattr(one, n) for n in names})
        k = getattr(one, "axkit_topk", None)
        if k is not None and not isinstance(one, HardDropout):
            yield Change(name, hard_k=k)


def _hooks(ours: Mapping[str, nn.Module]) -> Iterator[Change]:
    for name, one in ours.items():
        for hook in one._forward_pre_hooks.values():
            if isinstance(hook, HasPlain):
                plain = hook.plain()
                yield Change(name, hook=plain.name, settings=plain.settings, source=plain.source)
