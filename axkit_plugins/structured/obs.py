"""Scores by Optimal Brain Surgeon, and the cut with its repair; no gradients, no labels, no torch-pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axkit.kit import Calibration, removal_costs
from axkit_plugins.structured.parts import Scores

if TYPE_CHECKING:
    from axkit import Subject


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
