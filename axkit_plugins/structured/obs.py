"""Scores by Optimal Brain Surgeon, and the cut with its repair; no gradients, no labels, no torch-pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from axkit.kit import Calibration, cut_and_mend, part_width, removal_costs
from axkit_plugins.structured.parts import Scores

if TYPE_CHECKING:
    from axkit import Structure, Subject
    from axkit.kit import Projection, What
    from axkit_plugins.structured.settings import StructuredConfig


def removal_scores(subject: Subject, calibration: Calibration) -> dict[int, Scores]:
    """Layer index -> what its heads and neurons cost in their turn, as a share of the residual stream's variance."""
    costs, none = removal_costs(subject, calibration), np.zeros(0)
    return {
        layer.index: Scores(
            *(
                costs[layer.index, what].numpy() if (layer.index, what) in costs else none
                for what in ("attention", "ffn")
            )
        )
        for layer in subject.layers
    }


def cut_and_refit(subject: Subject, then: Structure, config: StructuredConfig, calibration: Calibration) -> None:
    """Carve to a structure, block by block, each refitted to what the model gave there before the cut.

    With ``importance: obs`` the structure says how many parts of a block stay; which ones is asked anew, of the model
    as it is below the block by then.
    """
    before = subject.copy()
    subject.carve(_whole_parts(subject.structure, then))
    present = subject.structure

    def keep(layer: int, what: What, found: Projection) -> Sequence[int]:
        name = "heads" if what == "attention" else "neurons"
        there, wanted = getattr(present.layers[layer], name), getattr(then.layers[layer], name)
        if config.importance != "obs":
            place = {index: position for position, index in enumerate(there)}
            return [place[index] for index in wanted]
        if len(wanted) == len(there):
            return range(len(there))
        order, _ = found.order(part_width(subject, what))
        return order[len(there) - len(wanted) :]

    cut_and_mend(subject, before, calibration, keep)


def _whole_parts(now: Structure, then: Structure) -> Structure:
    """``now`` without the layers that ``then`` lacks."""
    layers = [old if new.present else new for old, new in zip(now.layers, then.layers, strict=True)]
    return replace(now, layers=tuple(layers))
