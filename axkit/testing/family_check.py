"""``check_family``: what is removed by a family file equals what is masked, and survives saving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from axkit.anatomy.family import Ability, Family
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import check_first_token
from axkit.contract.subject import Subject
from axkit.ground.errors import NotApplicable
from axkit.tasks.split import Split
from axkit.testing.looks import TOLERANCE, logits_of, reload, say
from axkit.testing.tiny import tiny_reader, tiny_split, tiny_subject


def check_family(family: Family) -> None:
    """Hold a family file to its contract: what is removed by it equals what is masked, and survives saving.

    What its ``limits`` say cannot be done must be refused.

    Raises:
        AssertionError: with the element that differs.
    """
    dense = tiny_subject(family)
    split = tiny_split(24, family=family)
    for what, structure in _blocks(dense.structure, family).items():
        _hold_removed(what, dense, structure, split)
    for part, cuts in _parts(dense.structure).items():
        for what, structure in cuts.items():
            if part in family.limits:
                _hold_refused(what, dense, structure, family.limits[part])
            else:
                _hold_removed(what, dense, structure, split)
    expected = logits_of(dense.module, split)
    for k, binds in ((int(split.lengths.max()), False), (2, True)):
        gap = _gap(dense, dense.structure.change(_middle(dense.structure), hard_k=k), split, expected)
        say((gap > TOLERANCE) == binds, f"hard attention with K = {k} changes the logits by {gap:.2g}")
    alone = replace(dense.structure, first_token_only=True)
    if check_first_token(dense.module, family):
        gap = _gap(dense, alone, split, expected)
        say(gap <= TOLERANCE, f"first token only differs by {gap:.2g}")
    else:
        _hold_refused("first token only", dense, alone, family.limits.get("first_token_only", ""))


def _middle(n: Structure) -> int:
    return min(1, len(n.layers) - 1)  # 0 where all layers are one


def _blocks(n: Structure, family: Family) -> dict[str, Structure]:
    """What every family can lose."""
    middle = _middle(n)
    cases = {
        "attention block": n.without_attention(middle),
        "feed-forward block": n.without_ffn(middle),
        "whole layer": n.without_attention(0).without_ffn(0),
    }
    if not family.shared_layers:
        cases["layer with its norms"] = n.without_layer(middle)
        cases["last layer with its norms"] = n.without_layer(len(n.layers) - 1)
    return cases


def _parts(n: Structure) -> dict[Ability, dict[str, Structure]]:
    """What goes one by one, where the family's limits let it."""
    middle, end = _middle(n), len(n.layers) - 1
    return {
        "heads": {
            "heads": n.without_heads(0, [1]).without_heads(end, [0, 3]),
            "every head": n.without_heads(middle, range(n.n_heads)),
        },
        "neurons": {
            "neurons": n.without_neurons(0, [0, 5, 23]).without_neurons(end, range(12)),
            "every neuron": n.without_neurons(middle, range(n.ffn_width)),
        },
    }


def _hold_removed(what: str, dense: Subject, structure: Structure, split: Split) -> None:
    subject = dense.copy()
    subject.carve(structure)
    masked = _masked_logits(dense, structure, split)
    gap = float((logits_of(subject.module, split) - masked).abs().max())
    say(gap <= TOLERANCE, f"{what}: removed and masked differ by {gap:.2g}")
    again = reload(subject, tiny_reader(dense.family))
    gap = float((logits_of(again.module, split) - masked).abs().max())
    say(gap <= TOLERANCE, f"{what}: reloaded and masked differ by {gap:.2g}")


def _hold_refused(what: str, dense: Subject, structure: Structure, why: str) -> None:
    """In one sentence, of which the file's reason is half."""
    say(not why.endswith("."), f"{what}: the reason in limits ends a sentence, '{why}'; leave out its full stop")
    try:
        dense.copy().carve(structure)
    except NotApplicable as error:
        say(f"{why}; " in str(error), f"{what}: refused for another reason than the one in limits: {error}")
    else:
        say(False, f"{what}: removed, though limits says that it cannot be: {why}")


def _gap(dense: Subject, structure: Structure, split: Split, expected: torch.Tensor) -> float:
    subject = dense.copy()
    subject.carve(structure)
    return float((logits_of(subject.module, split) - expected).abs().max())


def _masked_logits(dense: Subject, structure: Structure, split: Split) -> torch.Tensor:
    """The dense model with outputs zeroed by hooks: what removing has to equal."""
    masked = dense.copy()
    size = masked.family.size(masked.module.config, "hidden") // structure.n_heads
    for layer in masked.layers:
        left = structure.layers[layer.index]
        heads = torch.zeros(structure.n_heads)
        heads[list(left.heads)] = 1
        neurons = torch.zeros(structure.ffn_width)
        neurons[list(left.neurons)] = 1
        layer.attention_out.register_forward_pre_hook(_times(heads.repeat_interleave(size)))
        layer.ffn_out.register_forward_pre_hook(_times(neurons))
        if not left.attention:
            layer.attention_out.register_forward_hook(_nothing)
        if not left.ffn:
            layer.ffn_out.register_forward_hook(_nothing)
        if not left.present:
            layer.module.register_forward_hook(_in_is_out)
    return logits_of(masked.module, split)


def _times(mask: torch.Tensor) -> Callable[..., Any]:
    return lambda module, args: (args[0] * mask,)


def _nothing(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)


def _in_is_out(module: Any, args: Any, output: Any) -> Any:
    return (args[0], *output[1:]) if isinstance(output, tuple) else args[0]
