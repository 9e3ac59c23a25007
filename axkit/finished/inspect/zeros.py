"""What a model's weights hold that does nothing: zeros, dead heads and neurons, and numbers that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, layers_of


@dataclass(frozen=True)
class Idle:
    """What does nothing.

    Attributes:
        zeros: share of the values of all matrices of two dimensions that are exactly 0, 0..1.
        not_finite: values that are infinite or no number.
        dead_heads: (layer, how many) whose output is always the same: no input reaches it, or it reaches nothing.
        dead_neurons: likewise, of the feed-forward block.
        empty_rows: rows of embeddings that are all 0.
        unread: layers whose weights are no floats, which are not looked at.
    """

    zeros: float
    not_finite: int
    dead_heads: tuple[tuple[int, int], ...]
    dead_neurons: tuple[tuple[int, int], ...]
    empty_rows: int
    unread: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "zeros": self.zeros,
            "not_finite": self.not_finite,
            "dead_heads": [list(one) for one in self.dead_heads],
            "dead_neurons": [list(one) for one in self.dead_neurons],
            "empty_embedding_rows": self.empty_rows,
            "layers_not_looked_at": self.unread,
        }


@torch.inference_mode()
def idle(model: Any, family: Family, structure: Structure) -> Idle:
    """Of a loaded model."""
    floats = [one for one in model.parameters() if one.is_floating_point()]
    wide = [one for one in floats if one.dim() == 2]
    values = sum(one.numel() for one in wide)
    heads: list[tuple[int, int]] = []
    neurons: list[tuple[int, int]] = []
    unread = 0
    size = family.size(model.config, "hidden") // structure.n_heads
    for layer in layers_of(model, family):
        left = structure.layers[layer.index]
        attends, feeds = bool(left.attention and left.heads), bool(left.ffn and left.neurons)
        roles = (*(_attention(family) if attends else ()), *(("ffn_in", "ffn_out") if feeds else ()))
        if not all(_is_float(getattr(layer, role)) for role in roles):
            unread += 1
            continue
        heads.append((layer.index, _dead_heads(layer, family, size) if attends else 0))
        neurons.append((layer.index, _dead_neurons(layer, family) if feeds else 0))
    tables = [one.weight for one in model.modules() if isinstance(one, nn.Embedding)]
    return Idle(
        zeros=sum(int((one == 0).sum()) for one in wide) / values if values else 0.0,
        not_finite=sum(int((~one.isfinite()).sum()) for one in floats),
        dead_heads=tuple(one for one in heads if one[1]),
        dead_neurons=tuple(one for one in neurons if one[1]),
        empty_rows=sum(int((table == 0).all(1).sum()) for table in tables),
        unread=unread,
    )


def _attention(family: Family) -> tuple[str, str]:
    return "attention_out", "qkv" if family.fused_qkv else "value"


def _is_float(module: nn.Module) -> bool:
    """False for the modules of int8 and 4 bits, which keep codes."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.is_floating_point()


def _dead_heads(layer: Layer, family: Family, size: int) -> int:
    """Heads that reach nothing, or whose values are 0 whatever comes in."""
    silent = (layer.matrix("attention_out") == 0).all(0)
    values = _silent(layer.query_key_value()[2], _bias(layer, _attention(family)[1]), 3 if family.fused_qkv else 1)
    if values.shape != silent.shape:  # several heads share a value
        values = torch.zeros_like(silent)
    return int((silent | values).view(-1, size).all(1).sum())


def _dead_neurons(layer: Layer, family: Family) -> int:
    """Neurons that reach nothing, or that nothing reaches: all activations in use are 0 at 0."""
    away = (layer.matrix("ffn_out") == 0).all(0)
    return int((away | _silent(layer.neuron_weights(), _bias(layer, "ffn_in"), 1, len(away))).sum())


def _bias(layer: Layer, role: str) -> Tensor | None:
    return getattr(getattr(layer, role), "bias", None)


def _silent(rows: Tensor, bias: Tensor | None, parts: int, wanted: int = 0) -> Tensor:
    """Which rows give 0 for every input; of a bias for several parts the last is theirs."""
    nothing = (rows == 0).all(1)
    if bias is None:
        return nothing
    own = bias.chunk(parts)[-1]
    if wanted and len(own) > wanted:  # value and gate
        return nothing & (own.view(-1, wanted) == 0).all(0)
    return nothing & (own == 0)
