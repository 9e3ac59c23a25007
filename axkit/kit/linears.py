"""Linear layers and embeddings by role: which there are, the weights that they hold, and others in their place."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.anatomy.surgery import matrix as weight_matrix
from axkit.contract.subject import Subject

__all__ = [
    "embedding_at",
    "embedding_names",
    "linear_at",
    "linear_names",
    "linear_roles",
    "replace_module",
    "weight_matrix",
]


def linear_roles(subject: Subject) -> dict[str, str]:
    """Name of each linear layer that has weights -> its role, in the model's order.

    A role is one of the family file's (``query``, ``ffn_in``, ...), ``head`` for what comes after the layers, and
    ``other`` where the family file names none. What the model reads instead of calling it is left out.
    """
    roles: dict[int, str] = {}
    inside: set[int] = set()
    for layer in subject.layers:
        inside |= {id(module) for module in layer.module.modules()}
        for role in subject.family.roles:
            try:
                roles[id(getattr(layer, role))] = role
            except AttributeError:  # gone with its block
                continue
    found, spare, outside = {}, _read_directly(subject), "other"  # before the layers: projections of embeddings
    for name, module in subject.module.named_modules():
        if id(module) in inside:
            outside = "head"
        if isinstance(module, nn.Linear | Conv1D) and module.weight.numel() and name not in spare:
            # (pruned to nothing, only a bias is left)
            found[name] = roles.get(id(module), "other" if id(module) in inside else outside)
    return found


def _read_directly(subject: Subject) -> set[str]:
    """Names of modules whose weight the model reads instead of calling them: they stay in float."""
    return {f"{subject.module.base_model_prefix}.{path}" for path in subject.family.read_directly}


def linear_names(subject: Subject, skip: Collection[str] = ()) -> list[str]:
    """The linear layers whose role is not in ``skip``, in the model's order.

    Args:
        subject: of a transformers model; nothing is changed.
        skip: roles as of ``axkit.kit.SkipRole``.
    """
    skipped = {*skip, *(("qkv",) if {"query", "key", "value"} & set(skip) else ())}
    return [name for name, role in linear_roles(subject).items() if role not in skipped]


def embedding_names(subject: Subject) -> list[str]:
    """The embeddings that the model calls, in its order."""
    spare = _read_directly(subject)
    return [n for n, m in subject.module.named_modules() if isinstance(m, nn.Embedding) and n not in spare]


def linear_at(model: nn.Module, name: str) -> nn.Linear:
    """The linear layer at a name of ``linear_names``.

    GPT-2's Conv1D is none by its class; it has the same weight, bias and call, but its sizes are those of
    ``weight_matrix`` alone.
    """
    return cast(nn.Linear, model.get_submodule(name))


def embedding_at(model: nn.Module, name: str) -> nn.Embedding:
    """The embedding at a name of ``embedding_names``."""
    return cast(nn.Embedding, model.get_submodule(name))


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module at a dotted name; the new one takes over the model's training flag."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module.train(model.training))
