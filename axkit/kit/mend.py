"""Cut and repair, without training: each block is cut and its output projection refitted on unlabelled rows.

Sources: as of ``axkit.kit.least_squares``. Ours: what a block is refitted to is the dense model's residual stream
after it, so that it also makes good what the blocks below it lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, check_cut, matrix
from axkit.contract.subject import Subject
from axkit.kit.below import Below, Steady
from axkit.kit.calibrate import (
    BLOCKS,
    Block,
    Calibration,
    Seen,
    What,
    adds,
    has_parts,
    last_output,
    layer_of,
    part_width,
    parts,
)
from axkit.kit.least_squares import Moments, Projection, Spread
from axkit.kit.mend_cost import LAST

MOST_BYTES = 2**30  # that what enters it may take
Keep = Callable[[int, What, Projection], Sequence[int]]


def problem(ours: Below, dense: Steady, layer: int, what: What, theirs: int | None = None) -> Projection:
    """The least-squares problem of a block: what shall leave it is what the dense model's residual stream lacks.

    Args:
        ours: the model, carved and mended below the block.
        dense: the model whose answers are to be kept, computing for the same tokens.
        layer: index in the dense model.
        what: the block; it must have parts left.
        theirs: the dense model's layer that it is held to; the same where None.
    """
    out = _projection(layer_of(ours.subject, layer), what)
    return Projection(moments_of(ours, dense, layer, what, theirs), matrix(out), out.bias)


def moments_of(ours: Below, dense: Steady, layer: int, what: What, theirs: int | None = None) -> Moments:
    """What enters a block's output projection, and what shall leave it; as of ``problem``."""
    weight = matrix(_projection(layer_of(ours.subject, layer), what))
    found = Moments(weight.shape[1], weight.shape[0], weight.device)
    there = dense.sums(layer if theirs is None else theirs, what)
    for seen, wanted in zip(ours.look(layer, what), there, strict=True):
        found.add(seen.inputs, wanted - (seen.sums - seen.outputs))
    return found


def _projection(layer: Layer, what: What) -> nn.Linear:
    """A block's output projection; GPT-2's is a Conv1D, with the same weight and bias by name."""
    return cast(nn.Linear, getattr(layer, f"{what}_out"))


def own_problems(subject: Subject, calibration: Calibration) -> dict[Block, tuple[Projection, float]]:
    """Each block's problem with its own output as the wish, in one pass over the rows.

    Returns:
        (layer, block) -> its problem, and the variance of the residual stream after it.
    """
    outs = {
        (layer.index, what): _projection(layer, what)
        for layer in subject.layers
        for what in BLOCKS
        if has_parts(subject, layer.index, what)
    }
    sizes = {block: matrix(out).shape for block, out in outs.items()}
    moments = {block: Moments(s[1], s[0], matrix(outs[block]).device) for block, s in sizes.items()}
    spreads = {block: Spread(s[0], matrix(outs[block]).device) for block, s in sizes.items()}

    def tell(block: Block, seen: Seen) -> None:
        moments[block].add(seen.inputs, seen.outputs)
        spreads[block].add(seen.sums)

    calibration.look_at_all(subject, tell)
    return {
        block: (Projection(moments.pop(block), matrix(out), out.bias), spreads[block].variance)
        for block, out in outs.items()
    }


def removal_costs(subject: Subject, calibration: Calibration) -> dict[Block, Tensor]:
    """What each head and neuron costs when it goes in its turn, refitted: a number to compare across blocks.

    Args:
        subject: left as it is.
        calibration: rows.

    Returns:
        (layer, block) -> per part that is there, float64: mean square that its removal adds, in the greedy order of
        ``Projection.order``, as a share of the residual stream's own variance after the block. No two are alike.
    """
    found = {}
    for block, (whole, spread) in own_problems(subject, calibration).items():
        gone, costs = whole.order(part_width(subject, block[1]))
        ranked = torch.zeros(len(gone), dtype=torch.float64)
        ranked[gone] = torch.tensor(_rising([cost / spread for cost in costs]), dtype=torch.float64)
        found[block] = ranked
    return found


def _rising(costs: Sequence[float]) -> list[float]:
    """A part always counts more than one that went before it: what is kept of a block is a tail of its order."""
    least, found = 0.0, []
    for cost in costs:
        least = max(cost, math.nextafter(least, math.inf))
        found.append(least)
    return found


def cut_and_mend(
    subject: Subject, dense: Subject, calibration: Calibration, keep: Keep, layers: Mapping[int, int] | None = None
) -> None:
    """Carve a subject block by block, first layer to last, each refitted on what the mended ones below it give.

    A last layer that computes one token of each row is refitted on up to four times the rows, of the same split: it
    has as many inputs as the layers below it, and learns from a row no more than they do from a token. Of a block all
    of whose parts have gone the bias is refitted; one whose counterpart the dense model lacks is passed over.

    Args:
        subject: carved in place.
        dense: the model whose answers are to be kept; not the subject itself.
        calibration: rows.
        keep: (layer, block, problem) -> positions among the heads or neurons that are there; all of them to mend only.
            Not asked of a block that is passed over.
        layers: of the subject -> of the dense model, ascending; each its own where None.
    """
    dense = alike(dense, subject.structure)
    ours, theirs = Below(subject, calibration), Steady(dense, calibration)
    for layer in range(len(subject.structure.layers)):
        if _sees_one_token(subject, layer):
            more = calibration.larger(_rows_at_once(subject, calibration))
            ours.grow(more)
            theirs.grow(more)
        for what in BLOCKS:
            if not adds(subject, layer, what):
                continue
            there = layer if layers is None else layers[layer]
            if not adds(dense, there, what):
                continue
            found = problem(ours, theirs, layer, what, there)
            kept = sorted(keep(layer, what, found))
            pick = subject.structure.keep_heads if what == "attention" else subject.structure.keep_neurons
            subject.carve(pick(layer, kept))
            refit(layer_of(subject, layer), what, found, kept, part_width(subject, what))


def _sees_one_token(subject: Subject, layer: int) -> bool:
    """Whether a layer computes one token of each row alone."""
    alone = subject.structure.first_token_only and not subject.family.shared_layers
    return alone and layer == subject.layers[-1].index


def _rows_at_once(subject: Subject, calibration: Calibration) -> int:
    """How many rows may be looked at for such a layer: what enters it is kept, of every token."""
    hidden = subject.family.size(subject.module.config, "hidden")
    tokens = calibration.split.lengths[: LAST * calibration.rows]
    each = 2 * 4 * hidden * float(tokens.mean())  # of two models, in float32
    return min(len(tokens), int(MOST_BYTES / each))


def cut_to(subject: Subject, then: Structure, calibration: Calibration, anew: bool = False) -> None:
    """Carve a model to a structure, block by block, each refitted to what the model gave there before the cut.

    The last layer that is left is held to what was the last one's, as the head reads that.

    Args:
        subject: carved in place.
        then: within its structure.
        calibration: rows.
        anew: ``then`` says how many parts of a block stay; which ones is asked again by optimal brain surgeon, of the
            model as it is below the block by then.

    Raises:
        ValueError, NotApplicable: it cannot be cut so (``carve``); it is then as it was.
    """
    check_cut(subject.module, subject.family, subject.structure, then)
    before = subject.copy()
    subject.carve(_without_blocks(subject.structure, then))
    present = subject.structure

    def keep(layer: int, what: What, found: Projection) -> Sequence[int]:
        there, wanted = (parts(one.layers[layer], what) for one in (present, then))
        if anew and len(wanted) < len(there):
            return found.order(part_width(subject, what))[0][len(there) - len(wanted) :]
        return positions(wanted, there)

    same = {layer: layer for layer in range(len(then.layers))}
    cut_and_mend(subject, before, calibration, keep, same | {then.last: before.structure.last})
    if not anew:
        subject.carve(then)


def positions(wanted: Sequence[int], there: Sequence[int]) -> list[int]:
    """Where some parts stand among those that are there; both by their index in the dense model."""
    place = {part: position for position, part in enumerate(there)}
    return [place[part] for part in wanted]


def _without_blocks(now: Structure, then: Structure) -> Structure:
    """``now`` without the layers and the blocks that ``then`` lacks altogether."""
    for index, layer in enumerate(then.layers):
        if not layer.present:
            now = now.without_layer(index)
            continue
        if not layer.attention:
            now = now.without_attention(index)
        if not layer.ffn:
            now = now.without_ffn(index)
    return now


def alike(dense: Subject, structure: Structure) -> Subject:
    """A dense model that computes its last layer for as many tokens as a carved one does."""
    if structure.first_token_only == dense.structure.first_token_only:
        return dense
    copy = dense.copy()
    copy.carve(replace(copy.structure, first_token_only=True))
    return copy


def refit(layer: Layer, what: What, found: Projection, kept: Sequence[int], width: int) -> None:
    """Give a carved block's output projection the weights that serve best, in place.

    Args:
        layer: carved to what is kept.
        what: the block.
        found: its problem, before it was carved.
        kept: positions of heads or neurons, among those of the problem.
        width: inputs that a head, or a neuron, has (``part_width``).
    """
    out = _projection(layer, what)
    weight, bias = found.solve([part * width + i for part in kept for i in range(width)])
    with torch.no_grad():
        matrix(out).copy_(weight)
        if out.bias is not None:
            out.bias.copy_(bias)


def mend_model(
    subject: Subject, dense: Subject, calibration: Calibration, layers: Mapping[int, int] | None = None
) -> tuple[float, float]:
    """Refit every block of a model that was cut before; its structure stays.

    Args:
        subject: mended in place.
        dense: the model that it was cut from, or another of its family and width.
        calibration: rows.
        layers: of the subject -> of the dense model, ascending, the last to the last; each its own where None.

    Returns:
        How far the last layer's output is from the dense model's, before and after: mean square of the difference as a
        share of the dense output's variance.
    """
    dense = alike(dense, subject.structure)  # here, as it may be a copy
    before = gap(subject, dense, calibration)
    if before > 0:
        cut_and_mend(
            subject, dense, calibration, lambda _, what, found: range(found.inputs // part_width(subject, what)), layers
        )
    return before, gap(subject, dense, calibration)


def gap(subject: Subject, dense: Subject, calibration: Calibration) -> float:
    """Mean square between two models' last layers, as a share of the variance of the second one's; real tokens."""
    dense, missed = alike(dense, subject.structure), 0.0
    stream = Spread(dense.family.size(dense.module.config, "hidden"), dense.module.device)
    for batch in calibration.batches:
        ours, theirs = (last_output(one, batch) for one in (subject, dense))
        stream.add(theirs)
        missed += float((ours.double() - theirs.double()).square().sum())
    return missed / stream.tokens / stream.variance
