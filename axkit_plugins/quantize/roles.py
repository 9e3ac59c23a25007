"""Which linear layers a quantizer takes, spoken of by role. Imports no torch at the top."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from axkit import Subject

SkipRole = Literal["query", "key", "value", "attention_out", "ffn_in", "ffn_out", "head"]
SKIP_HELP = "Roles that stay in float: query, key, value, attention_out, ffn_in, ffn_out; head is all after the layers."


def role_of(subject: Subject) -> dict[str, str]:
    """Name of each linear layer that has weights -> its role; ``other`` where the family file names none."""
    from torch import nn

    roles: dict[int, str] = {}
    inside: set[int] = set()
    for layer in subject.layers:
        inside |= {id(module) for module in layer.module.modules()}
        for role in subject.family.roles:
            try:
                roles[id(getattr(layer, role))] = role
            except AttributeError:  # gone with its block
                continue
    found = {}
    for name, module in subject.module.named_modules():
        if isinstance(module, nn.Linear) and module.weight.numel():  # pruned to nothing: only a bias is left
            found[name] = roles.get(id(module), "other" if id(module) in inside else "head")
    return found


def linear_names(subject: Subject, skip: Collection[str]) -> list[str]:
    """The linear layers whose role is not in ``skip``, in the model's order."""
    return [name for name, role in role_of(subject).items() if role not in skip]


def put(model: Any, name: str, module: Any) -> None:
    """Replace the module at a dotted name; it takes over the model's training flag."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module.train(model.training))
