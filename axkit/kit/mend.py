"""Cut and repair, without training: each block is cut and its output projection refitted on unlabelled rows.

Sources: as of :mod:`axkit.kit.least_squares`. Ours: what a block is refitted to is the dense model's residual stream
after it, so that it also makes good what the blocks below it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import matrix
from axkit.contract.subject import Subject
from axkit.kit.calibrate import BLOCKS, Calibration, What, has_parts, last_output, layer_of, part_width
from axkit.kit.least_squares import Moments, Projection, Spread

Keep = Callable[[int, What, Projection], Sequence[int]]


def problem(calibration: Calibration, subject: Subject, dense: Subject, layer: int, what: What) -> Projection:
    """The least-squares problem of a block: what shall leave it is what the dense model's residual stream lacks.

    Args:
        calibration: rows.
        subject: carved and mended below the block.
        dense: the model whose answers are to be kept, computing for the same tokens.
        layer: index in the dense model.
        what: the block; it must have parts left.
    """
    out: Any = getattr(layer_of(subject, layer), f"{what}_out")
    weight = matrix(out)
    moments = Moments(weight.shape[1], weight.shape[0], weight.device)
    pairs = zip(calibration.look(subject, layer, what), calibration.look(dense, layer, what), strict=True)
    for seen, wanted in pairs:
        moments.add(seen.inputs, wanted.sums - (seen.sums - seen.outputs))
    return Projection(moments, weight, out.bias)


def removal_costs(subject: Subject, calibration: Calibration) -> dict[tuple[int, What], Tensor]:
    """What each head and neuron costs when it goes in its turn, refitted: a number to compare across blocks.

    Args:
        subject: left as it is.
        calibration: rows.

    Returns:
        (layer, block) -> per part that is there, float64: mean square that its removal adds, in the greedy order of
        :meth:`Projection.order`, as a share of the residual stream's own variance after the block.
    """
    found = {}
    for layer in subject.layers:
        for what in BLOCKS:
            if not has_parts(subject, layer.index, what):
                continue
            whole, spread = _own_problem(calibration, subject, layer.index, what)
            gone, costs = whole.order(part_width(subject, what))
            ranked = torch.zeros(len(gone), dtype=torch.float64)
            # a part never counts less than one that went before it: what is kept of a block is a tail of its order
            ranked[gone] = torch.tensor(costs, dtype=torch.float64).cummax(0).values / spread
            found[layer.index, what] = ranked
    return found


def _own_problem(calibration: Calibration, subject: Subject, layer: int, what: What) -> tuple[Projection, float]:
    """A block's problem with its own output as the wish, and the variance of the stream after it."""
    out: Any = getattr(layer_of(subject, layer), f"{what}_out")
    weight = matrix(out)
    moments, stream = Moments(weight.shape[1], weight.shape[0], weight.device), Spread(weight.shape[0], weight.device)
    for seen in calibration.look(subject, layer, what):
        moments.add(seen.inputs, seen.outputs)
        stream.add(seen.sums)
    return Projection(moments, weight, out.bias), stream.variance


def cut_and_mend(subject: Subject, dense: Subject, calibration: Calibration, keep: Keep) -> None:
    """Carve a subject block by block, first layer to last, each refitted on what the mended ones below it give.

    Args:
        subject: carved in place.
        dense: the model whose answers are to be kept; not the subject itself.
        calibration: rows.
        keep: (layer, block, problem) -> positions among the heads or neurons that are there; all of them to mend only.
    """
    dense = alike(dense, subject.structure)
    for layer in range(len(subject.structure.layers)):
        for what in BLOCKS:
            if not has_parts(subject, layer, what):
                continue
            found = problem(calibration, subject, dense, layer, what)
            kept = sorted(keep(layer, what, found))
            pick = subject.structure.keep_heads if what == "attention" else subject.structure.keep_neurons
            subject.carve(pick(layer, kept))
            refit(subject, layer, what, found, kept)


def alike(dense: Subject, structure: Structure) -> Subject:
    """A dense model that computes its last layer for as many tokens as a carved one does."""
    if structure.first_token_only == dense.structure.first_token_only:
        return dense
    copy = dense.copy()
    copy.carve(replace(copy.structure, first_token_only=True))
    return copy


def refit(subject: Subject, layer: int, what: What, found: Projection, kept: Sequence[int]) -> float:
    """Give a carved block's output projection the weights that serve best.

    Args:
        subject: carved to what is kept.
        layer: index in the dense model.
        what: the block.
        found: its problem, before it was carved.
        kept: positions of heads or neurons, among those of the problem.

    Returns:
        What is missed still: mean square per token, over all outputs.
    """
    out: Any = getattr(layer_of(subject, layer), f"{what}_out")
    width = part_width(subject, what)
    repaired = found.keep([part * width + i for part in kept for i in range(width)])
    with torch.no_grad():
        matrix(out).copy_(repaired.weight)
        if out.bias is not None:
            out.bias.copy_(repaired.bias)
    return repaired.error


def mend_model(subject: Subject, dense: Subject, calibration: Calibration) -> tuple[float, float]:
    """Refit every block of a model that was cut before; its structure stays.

    Returns:
        How far the last layer's output is from the dense model's, before and after: mean square of the difference as a
        share of the dense output's variance.
    """
    dense = alike(dense, subject.structure)  # here, as it may be a copy
    before = gap(subject, dense, calibration)
    if before > 0:
        cut_and_mend(
            subject, dense, calibration, lambda _, what, found: range(found.inputs // part_width(subject, what))
        )
    return before, gap(subject, dense, calibration)


def gap(subject: Subject, dense: Subject, calibration: Calibration) -> float:
    """Mean square between two models' last layers, as a share of the variance of the second one's; real tokens."""
    dense, missed = alike(dense, subject.structure), 0.0
    stream = Spread(dense.family.size(dense.module.config, "hidden"), dense.module.device)
    for batch in calibration.batches:
        ours, theirs = (last_output(one, batch) for one in (subject, dense))
        stream.add(theirs)
        missed += float((ours - theirs).double().square().sum())
    return missed / stream.tokens / stream.variance
