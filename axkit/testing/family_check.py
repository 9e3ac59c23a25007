"""``check_family``: what is removed by a family file equals what is masked, and survives saving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from axkit.anatomy.family import Family
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import check_first_token
from axkit.contract.subject import Subject
from axkit.tasks.split import Split
from axkit.testing.looks import TOLERANCE, logits_of, reload, say
from axkit.testing.tiny import tiny_reader, tiny_split, tiny_subject


def check_family(family: Family) -> None:
    """Hold a family file to its contract: what is removed by it equals what is masked, and survives saving.

    Raises:
        AssertionError: with the element that differs.
    """
    dense = tiny_subject(family)
    split = tiny_split(24, family=family)
    n = dense.structure
    end = len(n.layers) - 1  # 0 where all layers are one
    middle = min(1, end)
    cases: dict[str, Structure] = {
        "attention block": n.without_attention(middle),
        "feed-forward block": n.without_ffn(middle),
        "whole layer": n.without_attention(0).without_ffn(0),
        "heads": n.without_heads(0, [1]).without_heads(end, [0, 3]),
        "every head": n.without_heads(middle, range(n.n_heads)),
        "neurons": n.without_neurons(0, [0, 5, 23]).without_neurons(end, range(12)),
        "every neuron": n.without_neurons(middle, range(n.ffn_width)),
    }
    if not family.shared_layers:
        cases["layer with its norms"] = n.without_layer(middle)
        cases["last layer with its norms"] = n.without_layer(end)
    for what, structure in cases.items():
        subject = dense.copy()
        subject.carve(structure)
        masked = _masked_logits(dense, structure, split)
        gap = float((logits_of(subject.module, split) - masked).abs().max())
        say(gap <= TOLERANCE, f"{what}: removed and masked differ by {gap:.2g}")
        again = reload(subject, tiny_reader(family))
        gap = float((logits_of(again.module, split) - masked).abs().max())
        say(gap <= TOLERANCE, f"{what}: reloaded and masked differ by {gap:.2g}")
    expected = logits_of(dense.module, split)
    for k, binds in ((int(split.lengths.max()), False), (2, True)):
        subject = dense.copy()
        subject.carve(n.change(middle, hard_k=k))
        gap = float((logits_of(subject.module, split) - expected).abs().max())
        say((gap > TOLERANCE) == binds, f"hard attention with K = {k} changes the logits by {gap:.2g}")
    if check_first_token(dense.module, family):
        subject = dense.copy()
        subject.carve(Structure(n.layers, n.n_heads, n.ffn_width, first_token_only=True))
        gap = float((logits_of(subject.module, split) - expected).abs().max())
        say(gap <= TOLERANCE, f"first token only differs by {gap:.2g}")


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
