"""From scores to a Structure: which heads, neurons or layers go. Numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axkit import Structure
    from axkit_plugins.structured.parts import Floats, Scores, Size
    from axkit_plugins.structured.settings import StructuredConfig


@dataclass(frozen=True)
class _Part:
    """One head or neuron that may go."""

    rank: float
    layer: int
    kind: str
    position: int
    cost: int


def choose(
    structure: Structure, scores: dict[int, Scores], config: StructuredConfig, size: Size, wanted: float
) -> Structure:
    """What is left when about ``wanted`` parameters have gone, never more.

    Args:
        structure: what there is.
        scores: layer index -> importance.
        config: of the pass.
        size: parameters of the parts.
        wanted: parameters to remove.
    """
    if config.what == "layers":
        return _without_layers(structure, scores, size, wanted)
    kinds = config.parts
    pick = _uniform if config.scope == "uniform" else _global
    gone = pick(_parts(scores, kinds, config, size), wanted)
    for layer, each in scores.items():
        for kind in kinds:
            present = len(getattr(each, kind))
            lost = gone.get((layer, kind), [])
            if kind == "neurons":
                lost = lost[: present - _rounded(present - len(lost), config.round_to, present)]
            left = sorted(set(range(present)) - set(lost))
            structure = structure.keep_heads(layer, left) if kind == "heads" else structure.keep_neurons(layer, left)
    return structure


def _without_layers(structure: Structure, scores: dict[int, Scores], size: Size, wanted: float) -> Structure:
    """Layers with the least total importance per parameter go first; one stays."""
    total = {i: float(s.heads.sum() + s.neurons.sum()) / size.layer[i] for i, s in scores.items()}
    for layer in sorted(total, key=lambda i: total[i])[:-1]:
        if size.layer[layer] <= wanted:
            structure = structure.without_layer(layer)
            wanted -= size.layer[layer]
    return structure


def _parts(scores: dict[int, Scores], kinds: tuple[str, ...], config: StructuredConfig, size: Size) -> list[_Part]:
    """All parts that may go, the least important of each layer first; each layer's best stay whatever comes."""
    found = []
    for layer, each in scores.items():
        for kind in kinds:
            values: Floats = getattr(each, kind)
            cost = size.head if kind == "heads" else size.neuron
            if config.importance == "magnitude":  # no common unit across layers: count in means, as torch-pruning does
                ranks = values / max(float(values.mean()), 1e-30) if len(values) else values
            else:  # what the loss changes by, per parameter that goes
                ranks = values / cost
            order = np.argsort(values, kind="stable")[: len(values) - math.ceil(config.at_least * len(values))]
            found += [_Part(float(ranks[i]), layer, kind, int(i), cost) for i in order]
    return found


def _global(parts: list[_Part], wanted: float) -> dict[tuple[int, str], list[int]]:
    """The lowest ranks of the whole model; a head too big for what is still wanted is left for smaller parts."""
    gone: dict[tuple[int, str], list[int]] = {}
    for part in sorted(parts, key=lambda p: p.rank):
        if part.cost <= wanted:
            gone.setdefault((part.layer, part.kind), []).append(part.position)
            wanted -= part.cost
    return gone


def _uniform(parts: list[_Part], wanted: float) -> dict[tuple[int, str], list[int]]:
    """The same share of every layer's parameters: first heads, by the share; neurons make up the rest."""
    possible = sum(part.cost for part in parts)
    share = min(1.0, wanted / possible) if possible else 0.0
    gone: dict[tuple[int, str], list[int]] = {}
    for layer in sorted({part.layer for part in parts}):
        mine = [part for part in parts if part.layer == layer]
        heads = [part for part in mine if part.kind == "heads"]
        neurons = [part for part in mine if part.kind == "neurons"]
        budget = share * sum(part.cost for part in mine) + 1e-6
        for part in heads[: round(share * len(heads))] + neurons:
            if part.cost <= budget:
                gone.setdefault((layer, part.kind), []).append(part.position)
                budget -= part.cost
    return gone


def _rounded(kept: int, multiple: int, present: int) -> int:
    """Up to the next multiple, as far as there are so many."""
    return min(present, -(-kept // multiple) * multiple)
