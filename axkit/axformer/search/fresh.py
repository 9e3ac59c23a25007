"""Rows that no candidate was chosen on: who is accepted on some rows is confirmed on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from axkit.anatomy.structure import Structure
from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.bench.workbench import Workbench
from axkit.axformer.rule.acceptance import Acceptance
from axkit.axformer.rule.stakes import Outcome
from axkit.axformer.screen.evaluate import criterion_of
from axkit.axformer.screen.passes import Passes
from axkit.axformer.settings import SearchConfig, chosen_on
from axkit.contract.tools import Tools
from axkit.tasks.split import Batch

_SIZE = 32  # rows per batch


def choosing(tools: Tools, config: SearchConfig) -> Tools:
    """What a search looks at candidates with: rows stand in the order of hashes, so the first are a random part."""
    rows = chosen_on(len(tools.search), config.search_rows)
    return replace(tools, search=tools.search.first(rows))


def fresh_rows(bench: Workbench, tools: Tools, config: SearchConfig, tolerance: float) -> Fresh | None:
    """Evaluate the model on rows that its search does not look at; None where it looks at all.

    Args:
        bench: of the search, before anything was accepted.
        tools: lent by the engine, with the whole search split.
        config: of the search.
        tolerance: of its rule.
    """
    chosen, most = len(bench.split), len(tools.search)
    rows = np.arange(chosen, min(most, chosen + config.search_rows))
    if not len(rows):
        return None
    processes, split = tools.processes, tools.search
    mine = rows[np.argsort(split.lengths[rows], kind="stable")][processes.rank :: processes.count]
    batches = [
        split.batch(mine[start : start + _SIZE].tolist()).on(tools.device) for start in range(0, len(mine), _SIZE)
    ]
    passes = Passes(criterion_of(tools, config), tools)

    def seen(told: str) -> Floats:
        return passes.over(lambda batch: bench.logits(batch, 0), batches, told)

    now = base = seen("fresh rows")
    if any(layer.hard_k is not None for layer in bench.subject.structure.layers):
        with bench.softened():
            base = seen("fresh rows, soft")
    value = passes.criterion.value(base[rows], rows)
    rule = Acceptance(value, tolerance, int(np.floor(config.vote * len(rows))))
    losses = passes.criterion.losses(base[rows], rows)
    return Fresh(bench, passes, rows, batches, rule, losses, passes.criterion.value(now[rows], rows))


class Fresh:
    """Judges candidates by the rule of their search, on other rows (see ``fresh_rows``).

    Args:
        bench: of the search.
        passes: over the whole search split.
        rows: of it, that the search does not look at.
        batches: of these, of this process.
        rule: that candidates have to meet here, too.
        base: losses of the model that the vote compares with, (rows,).
        best: the least value so far.

    Attributes:
        refused: candidates that were chosen and not confirmed.
    """

    refused = 0

    def __init__(
        self,
        bench: Workbench,
        passes: Passes,
        rows: Rows,
        batches: Sequence[Batch],
        rule: Acceptance,
        base: Floats,
        best: float,
    ) -> None:
        self.rows, self.best = rows, best
        self._bench, self._passes, self._batches, self._rule, self._base = bench, passes, batches, rule, base

    def judged(self, layer: int, candidate: Structure) -> tuple[bool, float]:
        """Whether a chosen candidate is confirmed, and its value here."""
        bench = self._bench
        with bench.swapped(layer, bench.carved(layer, candidate, bench.repair)):
            kept = self._passes.over(lambda batch: bench.logits(batch, 0), self._batches)[self.rows]
        losses = self._passes.criterion.losses(kept, self.rows)
        value, votes = self._passes.criterion.value(kept, self.rows), int((losses <= self._base).sum())
        confirmed = self._rule.accepts(Outcome(value, votes, len(self.rows), True), self.best)
        self.note(confirmed, value)
        return confirmed, value

    def note(self, confirmed: bool, value: float) -> None:
        """What came of a candidate, now or in an interrupted search."""
        if confirmed:
            self.best = min(self.best, value)
        else:
            self.refused += 1

    def facts(self) -> dict[str, float]:
        """For the report."""
        return {
            "fresh_rows": float(len(self.rows)),
            "fresh_loss_before_nats": self._rule.base_value,
            "fresh_loss_after_nats": self.best,
            "not_confirmed": float(self.refused),
        }
