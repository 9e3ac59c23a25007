"""Evaluate one candidate on the search split: hard rows first, in bfloat16 where that is enough, over processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.order import Order
from axkit.axformer.bench.storage import FOLDER, folder, is_memory
from axkit.axformer.bench.workbench import Run, workbench
from axkit.axformer.rule.criteria import CRITERIA, Criterion
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.sheet import Patience, Screen, Sheet
from axkit.axformer.settings import SearchConfig
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.tasks.split import Batch

_MEASURED = (32, 32, 24, 24, 16)  # rows of each tier that the error is measured on, at least; few err much
_EXACT = 3  # tiers, hardest first, that a screen runs in float32 where that may save it
_ASKED = (1 / 3, 2 / 3)  # shares of the rows after which a screen must promise something
_SHARE = 0.5  # of a device's free memory, for hidden states; the rest is for what is computed from them
_WORTH_SCREENING = 256  # rows, at least


class Evaluator:
    """The workbench, the search rows in a good order, and what the dense model did on them.

    Args:
        subject: left alone.
        tools: lent by the engine; ``tools.search`` is what it looks at.
        config: of the pass.
        cuts: token counts that no batch straddles (the K of hard attention: what K leaves alone takes the fused
            attention).
        size: rows per batch, at most.
        rehearse: see :class:`Workbench`.

    Attributes:
        base: kept rows of the model with soft attention, which the vote compares with.
        now: kept rows of the present model.
        batches: rows of this process, the hard ones first.
        passes: over all rows that it took to know them.
    """

    def __init__(
        self,
        subject: Subject,
        tools: Tools,
        config: SearchConfig,
        cuts: tuple[int, ...] = (),
        size: int = 32,
        rehearse: bool = True,
    ) -> None:
        self.split, self.samples, self._config = tools.search, len(tools.search), config
        self._processes, self._progress = tools.processes, tools.progress
        self.criterion: Criterion = CRITERIA[config.criterion](tools.search)
        shelf = Shelf(config.cache_gib * 2**30, tools.device, tools.device.free_bytes() * _SHARE)
        self.bench = workbench(subject, tools.search, shelf, rehearse)
        if self.bench.shelf.disk_bytes and is_memory(folder()):
            tools.progress.say(
                f"   Hidden states go to {folder()}, which is memory, past cache_gib ({FOLDER} moves them)"
            )
        by_length = np.argsort(tools.search.lengths, kind="stable")
        self._mine: Rows = by_length[tools.processes.rank :: tools.processes.count]
        self._order = Order(tools.search, self._mine, size, cuts, tools.device)
        self.batches = self._order.short_first(np.ones(self.samples, bool))
        self.now = self.base = self.refresh(0)
        self.passes = 1
        if any(layer.hard_k is not None for layer in subject.structure.layers):
            with self.bench.softened():  # the vote compares with soft attention, through both phases
                self.base = self._all(lambda batch: self.bench.logits(batch, 0))
            self.passes = 2
        self.base_losses = self.criterion.losses(self.base, np.arange(self.samples))
        self._patience, self._by_vote = Patience(), False  # the last candidate that votes decide on fell by them
        self._order.dense = self.base_losses
        tiers = self._order.tiers(np.ones(self.samples, bool))
        self.batches = list(chain(*tiers))
        self._screen: Screen | None = None
        worth = config.criterion != "metric" and self.samples >= _WORTH_SCREENING
        if config.screening == "auto" and worth and tools.device.half is not None:
            self._screen = self._measured(tiers)

    def learned(self) -> dict[str, Any]:
        """The present model's rows, and what candidates have taught, as arrays by name."""
        more = {"now": self.now, "by_vote": np.array(self._by_vote)}
        return more | self._order.learned() | self._patience.learned()

    def recall(self, found: Mapping[str, Any]) -> None:
        """Go on as the one that has learned this, of the same model and rows."""
        self.now, self._by_vote = found["now"], bool(found["by_vote"])
        self._order.recall(found)
        self._patience.recall(found)

    def value(self, kept: Floats) -> float:
        """The number that must fall, over all rows."""
        return self.criterion.value(kept, np.arange(self.samples))

    def refresh(self, layer: int) -> Floats:
        """Run everything from a layer on and keep the inputs of the layers above."""
        return self._all(lambda batch: self.bench.refresh(batch, layer))

    def refresh_low(self, layer: int) -> None:
        """As :meth:`refresh`, in bfloat16 where the processor has it, for :meth:`estimate`."""
        with self._low():
            self.refresh(layer)

    def estimate(self, run: Run) -> float:
        """The value of a candidate over all rows, in bfloat16 where the processor has it."""
        with self._low():
            return self.value(self._gathered(self._seen(run, self.batches)))

    def _low(self) -> Any:
        return self.bench.shelf.device.autocast(self._config.screening == "auto")

    def accept(self, kept: Floats | None) -> None:
        """The workbench was carved to a candidate, of whose rows ``kept`` is known; None: found now."""
        self.now = self._all(lambda batch: self.bench.logits(batch, 0)) if kept is None else kept

    def _all(self, run: Run) -> Floats:
        """What is kept of every row."""
        return self._gathered(self._seen(run, self._progress.track(self.batches, "dense losses", len(self.batches))))

    def _seen(self, run: Run, batches: Iterable[Batch]) -> list[tuple[Rows, Floats]]:
        return [(batch.rows, self.criterion.see(run(batch), batch.labels)) for batch in batches]

    def _gathered(self, parts: Sequence[tuple[Rows, Floats]]) -> Floats:
        width = self._processes.largest(parts[0][1].shape[1] if parts else 0)
        kept = np.zeros((self.samples, width))
        for rows, part in parts:
            kept[rows] = part
        gathered: Floats = self._processes.sum(kept)
        return gathered

    def _measured(self, tiers: Sequence[Sequence[Batch]]) -> Screen:
        """What bfloat16 does to the losses of the dense model: rows with like losses err alike."""
        found, floors = np.zeros((len(tiers), 3)), list[float]()
        for number, tier in enumerate(tiers):
            for batch in sorted(tier, key=lambda batch: batch is not tier[len(tier) // 2]):  # middling length first
                if found[number, 2] >= _MEASURED[min(number, len(_MEASURED) - 1)]:
                    break
                error = self._error(partial(self.bench.logits, start=0), batch, self.now[batch.rows])
                found[number] += error.sum(), (error * error).sum(), len(error)
            least = [float(self.base_losses[batch.rows].min()) for batch in tier]
            floors.append(min(least, default=floors[-1] if floors else np.inf))
        bias, square, rows = np.asarray(self._processes.sum(found)).T
        rows = np.maximum(rows, 1)
        return Screen(np.array(floors), bias / rows, (square / rows) ** 0.5)

    def _error(self, run: Run, batch: Batch, kept: Floats) -> Floats:
        """Loss in bfloat16 less loss in float32, per row."""
        with self.bench.shelf.device.autocast():
            low = self.criterion.see(run(batch), batch.labels)
        return self.criterion.losses(low, batch.rows) - self.criterion.losses(kept, batch.rows)

    def look(self, run: Run, stakes: Stakes) -> Outcome:
        """Evaluate a candidate; abandon it once its fate is sealed.

        First in bfloat16, allowing for its error, as long as that promises to seal it; then in float32 the rows that
        err most and those whose vote is in doubt; then the rest.

        Args:
            run: the candidate's logits.
            stakes: what it has to reach.
        """
        sheet = Sheet(self.criterion, self.base_losses)
        outcome = self._seal(sheet, run, stakes)
        if stakes.vote_decides:
            self._by_vote = not outcome.whole and outcome.value <= stakes.ceiling
        self._order.learn(sheet.seen, sheet.losses)
        return outcome

    def _seal(self, sheet: Sheet, run: Run, stakes: Stakes) -> Outcome:
        if stakes.binds is not None:
            same = self._mine[~stakes.binds[self._mine]]
            sheet.note(same, self.now[same])
        given_up = False
        # votes are soon lost on short rows, and bfloat16 leaves many in doubt: after one such candidate not the next
        by_vote = stakes.vote_decides and self._by_vote
        if self._screen is not None and not by_vote and self._patience.due(stakes.vote_decides):
            sealed = self._screened(self._screen, sheet, run, stakes)
            self._patience.told(stakes.vote_decides, sealed is not None)
            if sealed is not None:
                return sealed
            given_up = self._by_votes(stakes)
            if not self.criterion.by_row:
                sheet.forget_screened()
        # what no screen can refuse for its loss falls by its votes, or needs every row
        order = self._order.short_first if by_vote or given_up else self._order.hard_first
        clear = sheet.seen & ~(sheet.exact | sheet.doubtful)  # a screen knows their votes, and their losses nearly
        batches = [*order(~(sheet.exact | clear)), *order(clear)]
        return self._rounds(sheet, run, batches, stakes, None) or self._whole(sheet)

    def _by_votes(self, stakes: Stakes) -> bool:
        """Whether a candidate can fall by its votes before all rows are seen."""
        return stakes.vote_decides and self.criterion.by_row

    def _screened(self, screen: Screen, sheet: Sheet, run: Run, stakes: Stakes) -> Outcome | None:
        """Try to seal a candidate's fate in bfloat16; None if float32 has to.

        Where votes decide, candidates are close to the bound. Most of the error of bfloat16 is in the few rows with the
        largest losses: the hardest run in float32 from the start, the next ones as soon as nothing else is left to do.
        """
        tiers = self._order.tiers(~sheet.exact)
        batches = list(chain(*tiers))
        screen = self._scaled(screen, sheet, run, batches)
        if not self._by_votes(stakes):
            return self._rounds(sheet, run, batches, stakes, screen)
        sealed = self._rounds(sheet, run, tiers[0], stakes, None) or self._rounds(sheet, run, batches, stakes, screen)
        if sealed is not None or self._total((~sheet.seen[self._mine]).sum()):
            return sealed
        sealed = self._rounds(sheet, run, list(chain(*tiers[:_EXACT])), stakes, None)
        return sealed or self._rounds(sheet, run, self._order.hard_first(sheet.doubtful), stakes, None)

    def _scaled(self, screen: Screen, sheet: Sheet, run: Run, batches: Sequence[Batch]) -> Screen:
        """A candidate may suffer more from bfloat16 than the dense model: one batch is run in both."""
        found = np.zeros(2)
        if batches:
            batch = batches[0]
            kept = self.criterion.see(run(batch), batch.labels)
            error = self._error(run, batch, kept)
            sheet.note(batch.rows, kept)
            _, spread = sheet.error(batch.rows, screen)
            found = np.array([(error * error).sum(), (spread**2).sum()])
        ours, dense = self._processes.sum(found)
        return screen.times(max(1.0, (ours / dense) ** 0.5 if dense else 1.0))

    def _rounds(
        self, sheet: Sheet, run: Run, batches: Sequence[Batch], stakes: Stakes, screen: Screen | None
    ) -> Outcome | None:
        """Some batches; an Outcome as soon as they seal the candidate's fate.

        Args:
            sheet: what is known so far.
            run: the candidate's logits.
            batches: of this process.
            stakes: what the candidate has to reach.
            screen: run in bfloat16, with this error; None: in float32. A screen that does not promise to seal the
                candidate's fate ends early, with None.
        """
        batches = [batch for batch in batches if not sheet.exact[batch.rows].all()]
        rounds = self._processes.largest(len(batches))
        # one context for all batches: weights are cast once, not once a batch
        with self.bench.shelf.device.autocast(screen is not None):
            return self._turns(sheet, run, batches, rounds, stakes, screen)

    def _turns(
        self, sheet: Sheet, run: Run, batches: Sequence[Batch], rounds: int, stakes: Stakes, screen: Screen | None
    ) -> Outcome | None:
        asked = list(_ASKED) if screen is not None and self._by_votes(stakes) else []
        for turn in range(rounds):
            if turn < len(batches):
                batch = batches[turn]
                sheet.note(batch.rows, self.criterion.see(run(batch), batch.labels), screen)
            totals = self._processes.sum(sheet.totals(self._mine))
            outcome = stakes.sealed(totals, self.samples, self.criterion.by_row)
            if outcome is not None:
                return outcome
            if asked and totals[4] >= asked[0] * self.samples:
                asked = [share for share in asked if share > totals[4] / self.samples]
                if not self._promises(sheet, totals, stakes):
                    return None
        return None

    def _promises(self, sheet: Sheet, totals: Floats, stakes: Stakes) -> bool:
        """Whether some of the rows, in bfloat16, look as if all of them would seal the candidate's fate."""
        least, _, _, votes, seen, _ = totals
        rest = self._total(self._order.expected[self._mine[~sheet.seen[self._mine]]].sum())
        return bool(least + rest > stakes.ceiling * self.samples or votes * self.samples / seen < stakes.needed)

    def _total(self, part: float) -> float:
        """The sum over processes."""
        return float(self._processes.sum(np.array([part], float))[0])

    def _whole(self, sheet: Sheet) -> Outcome:
        kept = self._gathered(sheet.parts)
        losses = self.criterion.losses(kept, np.arange(self.samples))
        votes = int((losses <= self.base_losses).sum())
        return Outcome(self.value(kept), votes, self.samples, True, False, kept)
