"""One candidate: its rows in turn, first in 16 bits where that promises to be enough, until its fate is sealed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.axformer.bench.order import Order
from axkit.axformer.bench.workbench import Run
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.error import Probe, Screen
from axkit.axformer.screen.passes import Passes
from axkit.axformer.screen.sheet import ROW_MARGIN, Sheet
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
        now: what is kept of each row of the present model, (rows, values).

    Attributes:
        in_vain: True once a screen has not sealed the candidate's fate.
    """

    in_vain = False

    def __init__(self, passes: Passes, order: Order, run: Run, stakes: Stakes, sheet: Sheet, now: Floats) -> None:
        self._passes, self._order, self._run, self._stakes, self._sheet = passes, order, run, stakes, sheet
        self._now = now

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
        probe = self._probe(batches)
        here = probe.scaled(self._passes, screen, self._now, self._sheet.base)
        sealed = self._rounds(batches, here)
        if sealed is not None or not self._all_seen():
            return sealed
        if not self._passes.criterion.by_row:
            return self._weighed(probe, screen)
        return None if self._passes.criterion.adds_up else self._told_apart(here)

    def _probe(self, batches: Sequence[Batch]) -> Probe:
        """A candidate may suffer more from 16 bits than the dense model: one batch is run in both."""
        if not batches:
            nothing = self._now[:0]
            return Probe(np.zeros(0, int), nothing, nothing)
        batch = batches[0]
        kept, low = self._passes.see(self._run, batch), self._passes.see_low(self._run, batch)
        self._sheet.note(batch.rows, kept)
        return Probe(batch.rows, low, kept)

    def _all_seen(self) -> bool:
        """Whether a screen has gone to its end, in every process."""
        return bool(self._passes.summed(np.array([float(self._sheet.seen.sum())]))[0] == self._passes.samples)

    def _weighed(self, probe: Probe, screen: Screen) -> Outcome | None:
        """All rows together, now that they have come; the candidate's own rows say what its errors weigh."""
        criterion, base = self._passes.criterion, self._sheet.base
        kept = self._passes.gathered(self._sheet.parts(self._sheet.seen))
        bias, spread = np.zeros(len(base)), np.zeros(len(base))
        losses = criterion.losses(kept, np.arange(len(base)))
        low = self._passes.summed(self._sheet.exact.astype(float)) == 0
        here = probe.scaled(self._passes, screen, kept, base)
        bias[low], spread[low] = here.error(np.maximum(losses, base)[low])
        votes = losses - base <= ROW_MARGIN * spread
        off = np.abs(bias).sum()
        totals = [losses.sum() - off, losses.sum() + off, (spread**2).sum(), votes.sum(), len(base), (~low).sum()]
        return self._stakes.sealed(np.array(totals), len(base), True)

    def _told_apart(self, screen: Screen) -> Outcome | None:
        """Run in float32 what may be predicted otherwise there; then the value is known."""
        sheet, mine = self._sheet, self._order.mine
        doubtful = np.zeros(len(sheet.base), bool)
        doubtful[mine] = ~sheet.exact[mine] & self._passes.criterion.in_doubt(sheet.kept[mine], screen.swing)
        sealed = self._rounds(self._order.hard_first(doubtful), None)
        if sealed is not None:
            return sealed
        kept = self._passes.gathered(sheet.parts(sheet.seen))
        return self._stakes.known(self._passes.value(kept), self._passes.summed(sheet.totals()))

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
        asked = list(_ASKED) if screen is not None and self._stakes.vote_decides else []
        for turn in range(rounds):
            if turn < len(batches):  # another process may have more of them: all agree after each
                batch = batches[turn]
                self._sheet.note(batch.rows, self._passes.see(self._run, batch), screen)
            totals = self._passes.summed(self._sheet.totals())
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
        if not self._passes.criterion.adds_up:
            return True
        least, _, _, votes, seen, _ = totals
        mine = self._order.mine
        unseen = mine[~self._sheet.seen[mine]]
        rest = float(self._passes.summed(np.array([self._order.dense[unseen].sum()]))[0])
        samples, stakes = self._passes.samples, self._stakes
        return bool(least + rest > stakes.ceiling * samples or votes * samples / seen < stakes.needed)

    def _whole(self) -> Outcome:
        kept = self._passes.gathered(self._sheet.parts(self._sheet.exact))
        losses = self._passes.criterion.losses(kept, np.arange(self._passes.samples))
        votes = int((losses <= self._sheet.base).sum())
        return Outcome(self._passes.value(kept), votes, self._passes.samples, True, False, kept)
