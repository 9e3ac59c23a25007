"""Kwon et al. 2022, A Fast Post-Training Pruning Framework for Transformers (arXiv 2204.09656), written anew.

The three steps of the paper, on the masks of heads and neurons ("filters" there): mask search by the diagonal of the
Fisher information (section 4.1, algorithm 1; with measured latency, appendix A.2), rearrangement by its blocks
(section 4.2, algorithm 2), and mask tuning by damped
least squares (section 4.3). What the masks close is cut for good at the end, and
what they scale is multiplied into the output projections: the result is an ordinary model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import torch

from axkit.anatomy.surgery import matrix
from axkit.kit.below import Below, Steady
from axkit.kit.calibrate import BLOCKS, Calibration, has_parts, layer_of, part_width
from axkit.kit.mend import alike, moments_of

DAMP = 1.0  # of the least squares, as of the paper's LSMR (section 4.3)
FARTHEST = 10.0  # a tuned mask beyond it is not believed, and tuning ends there (section 4.3)


def mask_gradients(subject, split, rows, size=32):
    """(layer, block) -> the loss's derivative by each mask variable at 1, (rows, parts), of each row's own loss.

    A mask multiplies what a head, or a neuron, hands to the output projection: its derivative is the sum over tokens of
    value times gradient.
    """
    seen, found, handles = {}, {}, []

    def keep(block):
        def hook(_, args):
            args[0].retain_grad()
            seen[block] = args[0]

        return hook

    for layer in subject.layers:
        for what in BLOCKS:
            if has_parts(subject, layer.index, what):
                out = getattr(layer, f"{what}_out")
                handles.append(out.register_forward_pre_hook(keep((layer.index, what))))
    try:
        for batch in split.first(rows).batches(size):
            with torch.enable_grad():
                split.kind.losses(split.kind.logits(subject.module(**batch.inputs)), batch.labels).sum().backward()
            for (layer, what), value in seen.items():
                columns = (value.detach() * value.grad).flatten(1, -2).sum(1)
                parts = columns.view(len(columns), -1, part_width(subject, what)).sum(-1)
                found.setdefault((layer, what), []).append(parts.double())
            seen.clear()
            subject.module.zero_grad(set_to_none=True)
    finally:
        for handle in handles:
            handle.remove()
    return {block: torch.cat(parts) for block, parts in found.items()}


@dataclass(frozen=True)
class Cost:
    """What a block costs with n parts left: ``least`` up to ``few`` of them, ``each`` for each more (appendix A.2).

    With FLOPs, ``few`` and ``least`` are 0.
    """

    each: float
    least: float = 0.0
    few: int = 0

    def of(self, parts):
        return 0.0 if not parts else self.least + self.each * max(0, parts - self.few)

    @classmethod
    def fitted(cls, times: Mapping[int, float]):
        """The piecewise line with the least squared error through (parts, seconds)."""
        best = None
        for few in sorted(times)[:-1]:
            low = [t for n, t in times.items() if n <= few]
            least = sum(low) / len(low)
            over = [(n - few, t - least) for n, t in times.items() if n > few]
            each = max(1e-12, sum(n * t for n, t in over) / sum(n * n for n, _ in over))
            made = cls(each, least, few)
            error = sum((made.of(n) - t) ** 2 for n, t in times.items())
            if best is None or error < best[0]:
                best = (error, made)
        return best[1]


def search(importance, costs, budget):
    """Algorithm 1: the masks of least summed importance lost within a budget, exact for the diagonal.

    Args:
        importance: (layer, block) -> of each part, (parts,).
        costs: block -> ``Cost``.
        budget: in the unit of the costs.

    Returns:
        (layer, block) -> positions that go. The ``few`` most important parts of a block stay: their loss saves nothing.
    """
    free = {what: [] for what in BLOCKS}
    for (layer, what), values in importance.items():
        order = values.argsort().tolist()
        kept = costs[what].few if len(order) > costs[what].few else len(order)
        free[what] += [(float(values[part]), layer, part) for part in order[: len(order) - kept]]
    heads, neurons = (sorted(free[what]) for what in BLOCKS)
    lost = [list(accumulate((value for value, *_ in parts), initial=0.0)) for parts in (heads, neurons)]
    left = budget - sum(costs[what].least for _, what in importance)
    best = None
    for stay in range(len(heads) + 1):  # heads that stay
        rest = left - stay * costs["attention"].each
        if rest < 0:
            break
        gone = len(neurons) - min(len(neurons), int(rest / costs["ffn"].each))
        value = lost[0][len(heads) - stay] + lost[1][gone]
        if best is None or value < best[0]:
            best = (value, len(heads) - stay, gone)
    if best is None:
        raise ValueError("the budget is below what the blocks cost when nearly empty")
    found = {block: [] for block in importance}
    for what, parts, count in zip(BLOCKS, (heads, neurons), best[1:], strict=True):
        for _, layer, part in parts[:count]:
            found[layer, what].append(part)
    return found


def rearranged(gradients, gone):
    """Algorithm 2: as many parts of a block go, those with the least (1 - m)^T I (1 - m), by greedy exchange.

    Args:
        gradients: of the block, (rows, parts).
        gone: positions that go by the diagonal alone.
    """
    if not gone or len(gone) == gradients.shape[1]:
        return sorted(gone)
    fisher = gradients.T @ gradients
    diagonal = fisher.diagonal()
    closed = torch.zeros(len(fisher), dtype=torch.bool)
    closed[gone] = True
    row = fisher[:, closed].sum(1)  # of each part with all that go
    for part in [one for one in diagonal.argsort().tolist() if not closed[one]]:
        closed[part] = True
        row += fisher[:, part]
        without = (diagonal - 2 * row).masked_fill(~closed, float("inf"))  # what is saved by letting one stay
        back = int(without.argmin())
        closed[back] = False
        row -= fisher[:, back]
    return torch.nonzero(closed)[:, 0].tolist()


def scales_of(gram, cross, weight, width, damp=DAMP):
    """The masks, near 1, under which a projection's output is nearest to what is wanted: (parts,), float64.

    Section 4.3: argmin over r of |A r + A 1 - b|^2 + damp^2 |r|^2 with m = 1 + r, solved in closed form by the normal
    equations; a column of A is what one part adds.

    Args:
        gram: X^T X, (inputs, inputs); X is what enters the projection.
        cross: X^T (wanted - bias), (inputs, outputs).
        weight: (outputs, inputs).
        width: inputs of a part.
    """
    parts = len(gram) // width
    normal = (gram * (weight.T @ weight)).view(parts, width, parts, width).sum((1, 3))
    wanted = (cross * weight.T).sum(1).view(parts, width).sum(1)
    damped = normal + damp**2 * torch.eye(parts, dtype=normal.dtype)
    return 1 + torch.linalg.solve(damped, wanted - normal.sum(1))


def tune(subject, dense, split, rows):
    """Section 4.3: scale what is left of each block, first to last, to have the residual stream of the dense model.

    Args:
        subject: carved; its output projections are scaled in place.
        dense: the model before.
        split: whose first rows are looked at, without their labels.
        rows: at most.

    Returns:
        Blocks that were tuned; tuning ends before the first whose masks lie beyond what is believed.
    """
    calibration, tuned = Calibration(split, rows), 0
    ours, theirs = Below(subject, calibration), Steady(alike(dense, subject.structure), calibration)
    for layer in range(len(subject.structure.layers)):
        for what in BLOCKS:
            if not has_parts(subject, layer, what):
                continue
            moments, out = moments_of(ours, theirs, layer, what), getattr(layer_of(subject, layer), f"{what}_out")
            weight, inputs = matrix(out).detach().double(), matrix(out).shape[1]
            cross = moments.cross[:inputs]
            if out.bias is not None:
                cross = cross - moments.gram[:inputs, inputs, None] * out.bias.detach().double()
            width = part_width(subject, what)
            scales = scales_of(moments.gram[:inputs, :inputs], cross, weight, width)
            if float(scales.abs().max()) > FARTHEST:
                return tuned
            with torch.no_grad():
                matrix(out).copy_(weight * scales.repeat_interleave(width))
            tuned += 1
    return tuned


def without(structure, gone):
    """A structure that has lost the parts at some positions, (layer, block) -> positions."""
    for (layer, what), positions in gone.items():
        there = structure.layers[layer].heads if what == "attention" else structure.layers[layer].neurons
        kept = [place for place in range(len(there)) if place not in set(positions)]
        pick = structure.keep_heads if what == "attention" else structure.keep_neurons
        structure = pick(layer, kept)
    return structure
