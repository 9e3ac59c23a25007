"""The parts of a model that may go: what they are worth, how large they are, and which modules they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import nn

if TYPE_CHECKING:
    from axkit import Layer, Subject

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """One layer's importance, in the order of the heads and neurons that are left.

    Empty where a block is gone, or its parts may not go.

    Attributes:
        heads: one number per head, not negative.
        neurons: one per neuron.
    """

    heads: Floats
    neurons: Floats


@dataclass(frozen=True)
class Size:
    """Parameters of a model.

    Attributes:
        model: all of them.
        layers: those of the encoder layers.
        head: of one head: its rows of query, key and value (DeBERTa: and of two more), its columns of the output.
        neuron: of one feed-forward neuron: its row (gated: two), its bias, its column.
        layer: layer index -> of that layer, LayerNorms included.
    """

    model: int
    layers: int
    head: int
    neuron: int
    layer: dict[int, int]


def size_of(subject: Subject) -> Size:
    """Count."""
    hidden = subject.family.size(subject.module.config, "hidden")
    head_size, layers = hidden // subject.structure.n_heads, subject.layers
    left = subject.structure.layers
    layer = {each.index: _count(each.module) for each in layers}
    head = next((head_size * _head_values(subject, each) for each in layers if left[each.index].heads), 0)
    neuron = next((_rows(each.ffn_in, subject) for each in layers if left[each.index].neurons), 0)
    neuron = neuron * (2 if subject.family.gated_ffn else 1) + hidden
    return Size(_count(subject.module), sum(layer.values()), head, neuron, layer)


def _head_values(subject: Subject, layer: Layer) -> int:
    """Parameters that go with one value of a head: its rows of the projections, its column of the output's."""
    fused = subject.family.fused_qkv
    rows = (
        3 * _rows(layer.qkv, subject)
        if fused
        else sum(_rows(one, subject) for one in projections_apart(subject, layer))
    )
    return rows + subject.family.size(subject.module.config, "hidden")


def _rows(projection: nn.Module, subject: Subject) -> int:
    """Parameters of one output of a projection from the hidden size."""
    return subject.family.size(subject.module.config, "hidden") + (projection.bias is not None)


def projections_apart(subject: Subject, layer: Layer) -> list[nn.Module]:
    """The projections of a layer that have rows for each head."""
    modules = dict(layer.module.named_modules())
    also = [modules[path] for path in subject.family.also_per_head if path in modules]
    return [layer.query, layer.key, layer.value, *also]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
