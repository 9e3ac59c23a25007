"""One candidate: its rows in turn, first in 16 bits where that promises to be enough, until its fate is sealed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.axformer.bench.order import Order
from axkit.axformer.bench.workbench import Run
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.error import Screen
from axkit.axformer.screen.passes import Passes
from axkit.axformer.screen.sheet import Sheet
from axkit.tasks.split import Batch

_ASKED = (1 / 3, 2 / 3)  # shares of the rows after which a screen must promise something


class Look:
    """What is known of a candidate, and how more comes to be known.

    Args:
        passes: over the rows.
        order: of the rows.
        run: the candidate's logits.
        stakes: what it has to reach.
        sheet: what is known of it so far.

    Attributes:
        in_vain: True once a screen has not sealed the candidate's fate.
    """

    in_vain = False

    def __init__(self, passes: Passes, order: Order, run: Run, stakes: Stakes, sheet: Sheet) -> None:
        self._passes, self._order, self._run, self._stakes, self._sheet = passes, order, run, stakes, sheet

    def outcome(self, screen: Screen | None, short_first: bool) -> Outcome:
        """Evaluate it; abandon it once its fate is sealed.

        Args:
            screen: the error of 16 bits; None: they are not to be used.
            short_first: it is expected to fall by its votes.
        """
        if screen is not None:
            sealed = self._screened(screen)
            if sealed is not None:
                return sealed
            self.in_vain = True
            # what no screen can refuse for its loss falls by its votes, or needs every row
            short_first = self._by_votes
            self._sheet.forget_screened()
        order = self._order.short_first if short_first else self._order.hard_first
        return self._rounds(order(~self._sheet.exact), None) or self._whole()

    @property
    def _by_votes(self) -> bool:
        """Whether the candidate can fall by its votes before all rows are seen."""
        return self._stakes.vote_decides and self._passes.criterion.by_row

    def _screened(self, screen: Screen) -> Outcome | None:
        """Try to seal the candidate's fate in 16 bits; None if float32 has to."""
        batches = self._order.hard_first(~self._sheet.exact)
        return self._rounds(batches, self._scaled(screen, batches))

    def _scaled(self, screen: Screen, batches: Sequence[Batch]) -> Screen:
        """A candidate may suffer more from 16 bits than the dense model: one batch is run in both."""
        found = np.zeros(2)
        if batches:
            batch = batches[0]
            kept = self._passes.see(self._run, batch)
            error = self._passes.error(self._run, batch, kept)
            self._sheet.note(batch.rows, kept)
            _, spread = self._sheet.error(batch.rows, self._passes.criterion.losses(kept, batch.rows), screen)
            found = np.array([(error * error).sum(), (spread**2).sum()])
        ours, dense = self._passes.summed(found)
        return screen.times(max(1.0, (ours / dense) ** 0.5 if dense else 1.0))

    def _rounds(self, batches: Sequence[Batch], screen: Screen | None) -> Outcome | None:
        """Some batches; an Outcome as soon as they seal the candidate's fate.

        Args:
            batches: of this process.
            screen: run in 16 bits, with this error; None: in float32. A screen that does not promise to seal the
                candidate's fate ends early, with None.
        """
        batches = [batch for batch in batches if not self._sheet.exact[batch.rows].all()]
        rounds = self._passes.most(len(batches))
        # one context for all batches: weights are cast once, not once a batch
        with self._passes.low(screen is not None):
            return self._turns(batches, rounds, screen)

    def _turns(self, batches: Sequence[Batch], rounds: int, screen: Screen | None) -> Outcome | None:
        samples, by_row = self._passes.samples, self._passes.criterion.by_row
        asked = list(_ASKED) if screen is not None and self._by_votes else []
        for turn in range(rounds):
            if turn < len(batches):  # another process may have more of them: all agree after each
                batch = batches[turn]
                self._sheet.note(batch.rows, self._passes.see(self._run, batch), screen)
            totals = self._passes.summed(self._sheet.totals(self._order.mine))
            outcome = self._stakes.sealed(totals, samples, by_row)
            if outcome is not None:
                return outcome
            if asked and totals[4] >= asked[0] * samples:
                asked = [share for share in asked if share > totals[4] / samples]
                if not self._promises(totals):
                    return None
        return None

    def _promises(self, totals: Floats) -> bool:
        """Whether some of the rows, in 16 bits, look as if all of them would seal the candidate's fate."""
        least, _, _, votes, seen, _ = totals
        mine = self._order.mine
        unseen = mine[~self._sheet.seen[mine]]
        rest = float(self._passes.summed(np.array([self._order.dense[unseen].sum()]))[0])
        samples, stakes = self._passes.samples, self._stakes
        return bool(least + rest > stakes.ceiling * samples or votes * samples / seen < stakes.needed)

    def _whole(self) -> Outcome:
        kept = self._passes.gathered(self._sheet.parts)
        losses = self._passes.criterion.losses(kept, np.arange(self._passes.samples))
        votes = int((losses <= self._sheet.base).sum())
        return Outcome(self._passes.value(kept), votes, self._passes.samples, True, False, kept)
