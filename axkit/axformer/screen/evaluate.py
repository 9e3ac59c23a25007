"""The model of a search on its rows, and what candidates do on them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from axkit.axformer.arrays import Floats
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.order import Order
from axkit.axformer.bench.storage import FOLDER, folder, is_memory
from axkit.axformer.bench.workbench import Run, Workbench, workbench
from axkit.axformer.rule.criteria import CRITERIA, Criterion, Divergence
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.error import Screen, measured
from axkit.axformer.screen.look import Look
from axkit.axformer.screen.passes import Passes
from axkit.axformer.screen.patience import Patience
from axkit.axformer.screen.sheet import sheet_of
from axkit.axformer.settings import SearchConfig
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.kit.remembered import remembered
from axkit.tasks.kinds.wanted import Wanted
from axkit.tasks.unlabelled import Answers

_SHARE = 0.5  # of a device's free memory, for hidden states; the rest is for what is computed from them
_WORTH_SCREENING = 256  # rows, at least
_FIRST = "dense losses"


def evaluator(
    subject: Subject,
    tools: Tools,
    config: SearchConfig,
    cuts: tuple[int, ...] = (),
    size: int = 32,
    rehearse: bool = True,
    screens: bool = True,
) -> Evaluator:
    """Lay out the bench, run the model over all rows, and put the hard ones first.

    Args:
        subject: left alone.
        tools: lent by the engine; ``tools.search`` is what it looks at.
        config: of the pass.
        cuts: token counts that no batch straddles (the K of hard attention: what K leaves alone takes the fused
            attention).
        size: rows per batch, at most.
        rehearse: see ``workbench``.
        screens: whether candidates will be refused in 16 bits, whose error is measured for it.
    """
    split, every = tools.search, np.ones(len(tools.search), bool)
    passes = Passes(criterion_of(tools, config), tools)
    bench = workbench(subject, split, _shelf(tools, config), rehearse)
    if bench.shelf.disk_bytes and is_memory(folder()):
        tools.progress.say(f"   Hidden states go to {folder()}, which is memory, past cache_gib ({FOLDER} moves them)")
    by_length = np.argsort(split.lengths, kind="stable")
    order = Order(split, by_length[tools.processes.rank :: tools.processes.count], size, cuts, tools.device)
    rows = Evaluator(bench, passes, order)
    rows.batches = order.short_first(every)
    rows.now = rows.base = rows.refresh(0)
    if any(layer.hard_k is not None for layer in subject.structure.layers):
        with bench.softened():  # the vote compares with soft attention, through both phases
            rows.base = passes.over(rows.whole, rows.batches, _FIRST)
    order.dense = passes.criterion.losses(rows.base, np.arange(len(split)))
    tiers = order.tiers(every)
    rows.batches = list(chain(*tiers))
    rows.low = config.screening == "auto" and tools.device.half is not None
    if screens and rows.low and passes.criterion.screens and len(split) >= _WORTH_SCREENING:
        rows.screen = measured(passes, rows.whole, tiers, rows.now, order.dense)
    return rows


def criterion_of(tools: Tools, config: SearchConfig) -> Criterion:
    """What candidates are judged by, on the search rows that are lent."""
    made = CRITERIA.get(config.criterion)
    no_labels = tools.search.encoded.wanted is not None  # then a loss is the distance from the answers, too
    if made is None or (no_labels and config.criterion != "metric"):
        return Divergence(tools.search, dense_logits(tools))
    return made(tools.search)


def dense_logits(tools: Tools) -> Wanted:
    """What the dense model says of each search example.

    Raises:
        NotApplicable: it says it of each token, and an earlier pass cuts texts into others.
    """
    known = tools.search.encoded.wanted
    if known is not None:
        return known
    assert tools.teacher is not None, "planned: the criterion needs the dense model"
    module, rows, few = tools.teacher.module, tools.dense_rows, len(tools.search)

    def asked() -> Answers:
        with tools.device.holding(module):
            return Answers.of(module, rows.first(few))

    # each round of a walk looks at the same rows, and so may passes after it
    answers = remembered(tools.memo, "dense answers", (module, rows), (few,), asked)
    return answers.for_examples(tools.search)


def _shelf(tools: Tools, config: SearchConfig) -> Shelf:
    return Shelf(config.cache_gib * 2**30, tools.device, tools.device.free_bytes() * _SHARE)


class Evaluator:
    """The workbench, the search rows in a good order, and what the model did on them (see ``evaluator``).

    Args:
        bench: with the model.
        passes: over the rows.
        order: of the rows.

    Attributes:
        base: kept rows of the model with soft attention, which the vote compares with.
        now: kept rows of the present model.
        batches: rows of this process, the hard ones first.
        screen: the error of 16 bits; None where candidates are not screened.
        low: whether estimates are computed in 16 bits.
    """

    base: Floats
    now: Floats

    def __init__(self, bench: Workbench, passes: Passes, order: Order) -> None:
        self.bench, self.passes, self._order = bench, passes, order
        self.batches = order.short_first(np.zeros(passes.samples, bool))
        self.screen: Screen | None = None
        self.low = False
        self._patience, self._by_vote = Patience(), False  # the last candidate that votes decide on fell by them

    def learned(self) -> dict[str, Any]:
        """What it knows of the present model's rows and of candidates, as arrays by name."""
        return {"now": self.now, "by_vote": np.array(self._by_vote)} | self._patience.learned()

    def recall(self, found: Mapping[str, Any]) -> None:
        """Go on as the one that has learned this, of the same model and rows."""
        self.now, self._by_vote = found["now"], bool(found["by_vote"])
        self._patience.recall(found)

    def refresh(self, layer: int) -> Floats:
        """Run everything from a layer on and keep the inputs of the layers above."""
        return self.passes.over(lambda batch: self.bench.refresh(batch, layer), self.batches, _FIRST)

    def refresh_low(self, layer: int) -> None:
        """As ``refresh``, in 16 bits where the device has them, for ``estimate``."""
        with self.passes.low(self.low):
            self.refresh(layer)

    def estimate(self, run: Run) -> float:
        """The value of a candidate over all rows, in 16 bits where the device has them."""
        with self.passes.low(self.low):
            return self.passes.value(self.passes.over(run, self.batches))

    def whole(self, batch: Any) -> Any:
        """Logits of the present model on a batch."""
        return self.bench.logits(batch, 0)

    def accept(self, kept: Floats | None) -> None:
        """The workbench was carved to a candidate, of whose rows ``kept`` is known; None: found now."""
        self.now = self.passes.over(self.whole, self.batches, _FIRST) if kept is None else kept

    def look(self, run: Run, stakes: Stakes) -> Outcome:
        """Evaluate a candidate; abandon it once its fate is sealed.

        First in 16 bits, allowing for their error, as long as that promises to seal it; then in float32.

        Args:
            run: the candidate's logits.
            stakes: what it has to reach.
        """
        mine = self._order.mine
        sheet = sheet_of(self.passes.criterion, self._order.dense, mine)
        if stakes.binds is not None:  # not run at all, so that ties are ties bit for bit
            same = mine[~stakes.binds[mine]]
            sheet.note(same, self.now[same])
        # votes are soon lost on short rows, and 16 bits leave many in doubt: after one such candidate not the next
        by_vote = stakes.vote_decides and self._by_vote
        kind, look = stakes.vote_decides, Look(self.passes, self._order, run, stakes, sheet, self.now)
        by_loss = by_vote and self.passes.criterion.adds_up  # a value that is no sum falls in 16 bits alone
        screen = self.screen if self.screen is not None and not by_loss and self._patience.due(kind) else None
        outcome = look.outcome(screen, short_first=by_vote)
        if screen is not None:
            self._patience.told(kind, not look.in_vain)
        if stakes.vote_decides and self.passes.criterion.by_row:
            self._by_vote = not outcome.whole and outcome.value <= stakes.ceiling
        return outcome
