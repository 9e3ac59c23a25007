"""Passes of a model over rows of the split, whichever process runs which of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.bench.workbench import Run
from axkit.axformer.rule.criteria import Criterion
from axkit.contract.tools import Tools
from axkit.ground.progress import Silent
from axkit.tasks.split import Batch


class Passes:
    """Runs batches of this process, and brings together what all processes have seen.

    Args:
        criterion: says what is kept of each row.
        tools: lent by the engine.
    """

    def __init__(self, criterion: Criterion, tools: Tools) -> None:
        self.criterion, self.samples = criterion, len(tools.search)
        self._processes, self._progress, self._device = tools.processes, tools.progress, tools.device

    def see(self, run: Run, batch: Batch) -> Floats:
        """What is kept of each row of a batch, (rows, values)."""
        return self.criterion.see(run(batch), batch.labels, batch.rows)

    def over(self, run: Run, batches: Sequence[Batch], told: str = "") -> Floats:
        """What is kept of every row of the split, (rows, values).

        Args:
            run: logits of a batch.
            batches: all rows of this process.
            told: to whoever watches; empty: nothing.
        """
        progress = self._progress if told else Silent()
        every = progress.track(batches, told, len(batches))
        return self.gathered([(batch.rows, self.see(run, batch)) for batch in every])

    def gathered(self, parts: Iterable[tuple[Rows, Floats]]) -> Floats:
        """Parts of all processes in one array, (rows of the split, values)."""
        parts = list(parts)
        kept = np.zeros((self.samples, self.most(parts[0][1].shape[1] if parts else 0)))
        for rows, part in parts:
            kept[rows] = part
        return self.summed(kept)

    def see_low(self, run: Run, batch: Batch) -> Floats:
        """As ``see``, in 16 bits."""
        with self.low():
            return self.see(run, batch)

    def low(self, wanted: bool = True) -> Any:
        """A context in which products are computed in 16 bits, where the device has them."""
        return self._device.autocast(wanted)

    def value(self, kept: Floats) -> float:
        """The number that must fall, over all rows."""
        return self.criterion.value(kept, np.arange(self.samples))

    def summed(self, values: Floats) -> Floats:
        """The sum over processes."""
        found: Floats = self._processes.sum(values)
        return found

    def most(self, count: int) -> int:
        """The largest over processes."""
        return self._processes.largest(count)
