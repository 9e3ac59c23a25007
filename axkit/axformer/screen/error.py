"""What computing in 16 bits does to the losses of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.axformer.bench.workbench import Run
from axkit.axformer.screen.passes import Passes
from axkit.tasks.split import Batch

_MEASURED = (32, 32, 24, 24, 16)  # rows of each tier that the error is measured on, at least; few err much


@dataclass(frozen=True)
class Screen:
    """The error of 16 bits: loss in bfloat16 less loss in float32, for rows with like losses.

    Attributes:
        floors: the least loss of each tier, hardest first, (tiers,).
        bias: mean error, (tiers,).
        spread: root of the mean square error, (tiers,).
    """

    floors: Floats
    bias: Floats
    spread: Floats

    def error(self, losses: Floats) -> tuple[Floats, Floats]:
        """Bias and spread of rows with these losses.

        The larger a loss, the more a change of the logits changes it, so what counts is the largest loss that a row
        has in either model: one that a candidate has made much harder errs as hard rows do.
        """
        tier = np.searchsorted(-self.floors[:-1], -losses)
        return self.bias[tier], self.spread[tier]

    def times(self, factor: float) -> Screen:
        """For a candidate that errs more."""
        return Screen(self.floors, self.bias * factor, self.spread * factor)


def measured(passes: Passes, run: Run, tiers: Sequence[Sequence[Batch]], kept: Floats, losses: Floats) -> Screen:
    """The error on the dense model: rows with like losses err alike, so it is measured tier by tier.

    Args:
        passes: over the rows.
        run: the model's logits.
        tiers: batches of this process, rows with like losses together, the largest losses first.
        kept: of each row in float32, (rows, values).
        losses: of the dense model, (rows,).
    """
    found, floors = np.zeros((len(tiers), 3)), list[float]()
    for number, tier in enumerate(tiers):
        for batch in sorted(tier, key=lambda batch: batch is not tier[len(tier) // 2]):  # middling length first
            if found[number, 2] >= _MEASURED[min(number, len(_MEASURED) - 1)]:
                break
            error = passes.error(run, batch, kept[batch.rows])
            found[number] += error.sum(), (error * error).sum(), len(error)
        least = [float(losses[batch.rows].min()) for batch in tier]
        floors.append(min(least, default=floors[-1] if floors else np.inf))
    bias, square, rows = np.asarray(passes.summed(found)).T
    rows = np.maximum(rows, 1)
    return Screen(np.array(floors), bias / rows, (square / rows) ** 0.5)
