"""Which linear layers a quantizer takes, spoken of by role. Imports no torch at the top."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from axkit import Subject

SkipRole = Literal["query", "key", "value", "attention_out", "ffn_in", "ffn_out", "head"]
SKIP_HELP = (
    "Roles that stay in float: query, key, value (where the three are one: all, if one is named), attention_out, "
    "ffn_in, ffn_out; head is all after the layers."
)


def role_of(subject: Subject) -> dict[str, str]:
    """Name of each linear layer that has weights -> its role; ``other`` where the family file names none."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    roles: dict[int, str] = {}
    inside: set[int] = set()
    for layer in subject.layers:
        inside |= {id(module) for module in layer.module.modules()}
        for role in subject.family.roles:
            try:
                roles[id(getattr(layer, role))] = role
            except AttributeError:  # gone with its block
                continue
    found, spare, outside = {}, read_directly(subject), "other"  # before the layers: projections of embeddings
    for name, module in subject.module.named_modules():
        if id(module) in inside:
            outside = "head"
        if isinstance(module, nn.Linear | Conv1D) and module.weight.numel() and name not in spare:
            # (pruned to nothing, only a bias is left)
            found[name] = roles.get(id(module), "other" if id(module) in inside else outside)
    return found


def read_directly(subject: Subject) -> set[str]:
    """Names of modules whose weight the model reads instead of calling them: they stay in float."""
    return {f"{subject.module.base_model_prefix}.{path}" for path in subject.family.read_directly}


def linear_names(subject: Subject, skip: Collection[str]) -> list[str]:
    """The linear layers whose role is not in ``skip``, in the model's order."""
    skipped = {*skip, *(("qkv",) if {"query", "key", "value"} & set(skip) else ())}
    return [name for name, role in role_of(subject).items() if role not in skipped]


def embedding_names(subject: Subject) -> list[str]:
    """The embeddings, in the model's order."""
    from torch import nn

    spare = read_directly(subject)
    return [n for n, m in subject.module.named_modules() if isinstance(m, nn.Embedding) and n not in spare]


def matrix(module: Any) -> Any:
    """The weight of a linear layer or of transformers' Conv1D (GPT-2's), (outputs, inputs) for both."""
    from torch import nn

    return module.weight if isinstance(module, nn.Linear) else module.weight.T


def put(model: Any, name: str, module: Any) -> None:
    """Replace the module at a dotted name; it takes over the model's training flag."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module.train(model.training))
