"""What is left of a model, layer by layer, as a map of characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from axkit.anatomy.structure import Structure

_GROUPS = 12  # cells of the map for the feed-forward neurons of a layer


def what_is_left(structure: Structure) -> list[str]:
    """One line per layer: heads and groups of neurons (`#` kept, `+` in part, `.` gone), hard attention."""
    lines = []
    for index, layer in enumerate(structure.layers):
        if not layer.present:
            lines.append(f"layer {index:2d}  layer removed")
            continue
        heads = "".join("#" if head in layer.heads else "." for head in range(structure.n_heads))
        attention = heads if layer.attention else "block removed".center(structure.n_heads)
        ffn = f"{_groups(layer.neurons, structure.ffn_width)} {len(layer.neurons)}/{structure.ffn_width} neurons"
        ffn = ffn if layer.ffn else "block removed"
        hard = f", hard attention K = {layer.hard_k}" if layer.hard_k is not None else ""
        lines.append(f"layer {index:2d}  heads {attention}  feed-forward {ffn}{hard}")
    if structure.first_token_only:
        lines.append("The last layer is computed for the first token alone.")
    return lines


def _groups(neurons: Sequence[int], width: int) -> str:
    """A cell for each twelfth of the neurons."""
    bounds = [round(width * group / _GROUPS) for group in range(_GROUPS + 1)]
    cells = ""
    for low, high in pairwise(bounds):
        left = sum(low <= neuron < high for neuron in neurons)
        cells += "#" if left == high - low else "+" if left else "."
    return cells
