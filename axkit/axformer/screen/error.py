"""What computing in 16 bits does to the losses of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axkit.axformer.arrays import Floats, Rows
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
        swing: root of the mean square of what moves a row towards another prediction, whatever its loss; 0 where the
            criterion does not keep that.
    """

    floors: Floats
    bias: Floats
    spread: Floats
    swing: float = 0.0

    def error(self, losses: Floats) -> tuple[Floats, Floats]:
        """Bias and spread of rows with these losses.

        The larger a loss, the more a change of the logits changes it, so what counts is the largest loss that a row
        has in either model: one that a candidate has made much harder errs as hard rows do.
        """
        tier = np.searchsorted(-self.floors[:-1], -losses)
        return self.bias[tier], self.spread[tier]

    def times(self, factor: float, swings: float = 1.0) -> Screen:
        """For a candidate that errs more, and whose rows swing more."""
        return Screen(self.floors, self.bias * factor, self.spread * factor, self.swing * swings)


@dataclass(frozen=True)
class Probe:
    """Rows that a candidate was run on in both precisions.

    Attributes:
        rows: their indices in the split.
        low: what is kept of them in 16 bits, (rows, values).
        kept: in float32.
    """

    rows: Rows
    low: Floats
    kept: Floats

    def scaled(self, passes: Passes, screen: Screen, among: Floats, base: Floats) -> Screen:
        """The error of the dense model, for a candidate that suffers more from 16 bits.

        Args:
            passes: over the rows; all processes bring their probes.
            screen: the error on the dense model.
            among: what is kept of every row, by a model that the candidate is like (``Criterion.apart``).
            base: losses of the dense model, (rows of the split,).
        """
        found = np.zeros(4)
        if len(self.rows):
            error = passes.criterion.apart(self.low, self.kept, self.rows, among)
            losses = np.maximum(passes.criterion.losses(self.kept, self.rows), base[self.rows])
            swings = passes.criterion.swings(self.low, self.kept)
            found = np.array(
                [(one * one).sum() for one in (error, screen.error(losses)[1], swings)]
                + [len(swings) * screen.swing**2]
            )
        ours, dense, swung, expected = passes.summed(found)
        return screen.times(_more(ours, dense), _more(swung, expected))


def _more(square: float, expected: float) -> float:
    return max(1.0, (square / expected) ** 0.5 if expected else 1.0)


def measured(passes: Passes, run: Run, tiers: Sequence[Sequence[Batch]], kept: Floats, losses: Floats) -> Screen:
    """The error on the dense model: rows with like losses err alike, so it is measured tier by tier.

    Args:
        passes: over the rows.
        run: the model's logits.
        tiers: batches of this process, rows with like losses together, the largest losses first.
        kept: of each row in float32, (rows, values).
        losses: of the dense model, (rows,).
    """
    found, floors, swung = np.zeros((len(tiers), 3)), list[float](), np.zeros(2)
    for number, tier in enumerate(tiers):
        for batch in sorted(tier, key=lambda batch: batch is not tier[len(tier) // 2]):  # middling length first
            if found[number, 2] >= _MEASURED[min(number, len(_MEASURED) - 1)]:
                break
            low = passes.see_low(run, batch)
            error = passes.criterion.apart(low, kept[batch.rows], batch.rows, kept)
            swings = passes.criterion.swings(low, kept[batch.rows])
            found[number] += error.sum(), (error * error).sum(), len(error)
            swung += (swings * swings).sum(), len(swings)
        least = [float(losses[batch.rows].min()) for batch in tier]
        floors.append(min(least, default=floors[-1] if floors else np.inf))
    bias, square, rows = np.asarray(passes.summed(found)).T
    swing, swings = passes.summed(swung)
    rows = np.maximum(rows, 1)
    return Screen(np.array(floors), bias / rows, (square / rows) ** 0.5, float((swing / max(swings, 1)) ** 0.5))
