"""Traits: what a pass says that it ends, and what it does end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from axkit.anatomy.family import Role
from axkit.anatomy.surgery import matrix
from axkit.contract.reader import reads_alike
from axkit.contract.traits import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    SOFT_ATTENTION,
    TEACHER_TOKENS,
    TORCH_MODULE,
)
from axkit.ground.errors import NotApplicable, shown
from axkit.testing.applied import Applied, Twice, tensors_of
from axkit.testing.clauses.base import clause

_ATTENTION: tuple[Role, ...] = ("query", "key", "value", "qkv", "attention_out")
_FFN: tuple[Role, ...] = ("ffn_in", "ffn_out")


@clause("ends-too-little", "ends names every trait that the model has no longer.")
def too_little(twice: Twice) -> Iterator[str]:
    """A pass after it would be let through, and fail."""
    first = twice.first
    for trait, lost in _LOST.items():
        why = "" if trait in first.trial.pass_class.ends else lost(first)
        if why:
            yield f"keeps {trait} by what it says, and {why}; put {trait.upper()} in ends"


@clause("ends-too-much", "ends names no trait of axkit's that the changed model still has.")
def too_much(twice: Twice) -> Iterator[str]:
    """A pass after it would be refused for nothing. A pass that changed nothing here is not judged."""
    first = twice.first
    same = first.subject.structure == first.dense.structure and first.result.state is None
    if first.result.note and same and not first.has_new_reader:
        return
    for trait, lost in _LOST.items():
        if trait in first.trial.pass_class.ends and not lost(first) and not _excused(trait, first):
            yield f"ends {trait}, and the model it left still has it; take {trait.upper()} out of ends"


def _excused(trait: str, applied: Applied) -> bool:
    """Gradients may reach weights of fewer bits, whose steps are rounded away: who ends one may end both."""
    return trait == DIFFERENTIABLE and bool(_no_full_precision(applied))


def _no_module(applied: Applied) -> str:
    return "" if isinstance(applied.subject.module, nn.Module) else "the subject holds no torch module"


def _no_float_weights(applied: Applied) -> str:
    structure, known = applied.subject.structure, applied.trial.family.roles
    for layer in applied.subject.layers:
        left = structure.layers[layer.index]
        roles = (_ATTENTION if left.attention and left.heads else ()) + (_FFN if left.ffn else ())
        for role in roles:
            if role in known and not _is_float(layer.module.get_submodule(layer.path(role))):
                return f"{role} of layer {layer.index} holds no float weights that can be sliced"
    return ""


def _is_float(projection: Any) -> bool:
    try:
        return matrix(projection).is_floating_point()
    except NotApplicable:
        return False


def _no_gradients(applied: Applied) -> str:
    """By a backward pass through a copy."""
    if not any(one.requires_grad for one in applied.subject.module.parameters()):
        return "no weight takes gradients"
    batch = applied.rows.batch(range(4))
    try:
        model = applied.subject.copy().module
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kernels without a backward: what they give is looked at
            model(**batch.inputs).logits.float().square().sum().backward()
    except Exception as error:  # noqa: BLE001  # a stranger's modules raise whatever they like
        return f"a backward pass fails ({shown(error, 100)})"
    reached = sum(one.numel() for one in model.parameters() if one.grad is not None and one.grad.any())
    stored = sum(one.numel() for one in tensors_of(model).values())
    return "" if 2 * reached >= stored else "gradients no longer reach most of the weights"


def _no_full_precision(applied: Applied) -> str:
    dtypes = {one.dtype for one in tensors_of(applied.subject.module).values()}
    less = dtypes & {torch.float16, torch.bfloat16}
    if FLOAT_WEIGHTS not in applied.trial.pass_class.ends or FULL_PRECISION in applied.trial.pass_class.ends:
        less |= dtypes & {torch.int8, torch.uint8}  # who ends float_weights need not end this as well
    return f"weights are {', '.join(sorted(map(str, less)))}" if less else ""


def _no_soft_attention(applied: Applied) -> str:
    hard = [index for index, layer in enumerate(applied.subject.structure.layers) if layer.hard_k is not None]
    return f"layer {hard[0]} has hard attention" if hard else ""


def _no_teacher_tokens(applied: Applied) -> str:
    before, after = (one.module.get_input_embeddings() for one in (applied.dense, applied.subject))
    if applied.has_new_reader and not reads_alike(applied.subject.reader, applied.dense.reader):
        return "its reader gives other ids"
    count: Callable[[Any], Any] = lambda one: getattr(one, "num_embeddings", None)  # noqa: E731
    return "the model takes another number of ids" if count(before) != count(after) else ""


_LOST: dict[str, Callable[[Applied], str]] = {
    TORCH_MODULE: _no_module,
    FLOAT_WEIGHTS: _no_float_weights,
    DIFFERENTIABLE: _no_gradients,
    FULL_PRECISION: _no_full_precision,
    SOFT_ATTENTION: _no_soft_attention,
    TEACHER_TOKENS: _no_teacher_tokens,
}

TRAITS = (too_little, too_much)
