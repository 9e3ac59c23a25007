"""The search with a budget: remove what buys most time or bytes per loss, until a target or the budget is reached.

Ours, not the paper's: candidates are whole blocks and thin cuts alike, what they buy is measured on this machine, what
they cost is the criterion on the search split, and the model may be trained between rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import count
from typing import Any

import torch
from torch import nn

from axkit.anatomy.structure import Structure
from axkit.axformer.bench.storage import MORE_ROUNDS
from axkit.axformer.budget.clock import started
from axkit.axformer.budget.cuts import PARTS, Cuts, in_order
from axkit.axformer.budget.importance import importance
from axkit.axformer.budget.kept import Kept
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.budget.lines import Point, Took
from axkit.axformer.budget.repairs import Repairs
from axkit.axformer.budget.shared import Shared
from axkit.axformer.budget.survey import Survey
from axkit.axformer.budget.table import Table
from axkit.axformer.budget.walk import Goals, Walk
from axkit.axformer.budget.worth import worths
from axkit.axformer.screen.evaluate import Evaluator, evaluator
from axkit.axformer.settings import BUDGET_ROWS, AxformerPruneConfig
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.ground.device import copied_to
from axkit.ground.figures import ratio, score, times
from axkit.kit.calibrate import Block, Calibration, What
from axkit.kit.mend import cut_to
from axkit.kit.sizes import weight_bytes
from axkit.measure import certainty
from axkit.measure import speed as measure
from axkit.measure.inputs import Inputs
from axkit.tasks.split import Evaluation

_MISSED = 0.94  # of it may be chance
_NEAR = 0.98  # of the wanted speed-up counts as reached: a clock wavers by as much, and a round takes a minute


def begin(subject: Subject, tools: Tools, config: AxformerPruneConfig) -> BudgetSearch:
    """Score the dense model, and read what an interrupted search had decided.

    Args:
        subject: carved, and trained, in place.
        tools: lent by the engine.
        config: of the pass: targets, budget, rounds.
    """
    assert tools.teacher is not None, "planned: the objective needs the dense model"
    teacher = tools.teacher.module
    with tools.device.holding(teacher):
        dense = tools.dense_rows.evaluate(teacher, progress=tools.progress)
    return BudgetSearch(subject, tools, config, (teacher, dense), Shared.of(tools.common, subject, config))


class BudgetSearch:
    """Rounds of greedy removal, each followed by training where the recipe says so.

    Args:
        subject: carved, and trained, in place.
        tools: lent by the engine.
        config: of the pass: targets, budget, rounds.
        dense: the dense model, and what it does on its search rows.
        shared: what others of its family have found.
    """

    def __init__(
        self,
        subject: Subject,
        tools: Tools,
        config: AxformerPruneConfig,
        dense: tuple[Any, Evaluation],
        shared: Shared,
    ) -> None:
        self.subject, self.tools, self.config = subject, tools, config
        self.ledger = Ledger(tools)
        self.frontier: list[Point] = []
        self._teacher, self.dense = dense
        self._shared = shared
        self._dense_bytes = weight_bytes(self._teacher)
        self.note = ""

    def run(self) -> None:
        """Walk until the target or the budget is reached; the subject is left at the last good point."""
        self._shared.adopt(self.ledger)
        kept = Kept(self.tools, self.ledger)
        done = kept.read(self.subject)
        if done is None:
            is_dense = self.tools.search is self.tools.dense_rows and _are_alike(self.subject.module, self._teacher)
            self._point("start", 0, self._ratio_now(0), self.dense if is_dense else None)
        else:
            self.frontier += done.frontier
        for number in range(done.rounds + 1 if done else 1, self.config.rounds + MORE_ROUNDS + 1):
            before = kept.keep(number - 1, self.subject, self.frontier)
            share = min(1.0, number / self.config.rounds)
            targets = [None if t is None else t**share for t in (self.config.speedup, self.config.size)]
            reached = self._round(number, targets[0], targets[1])
            if self.config.recover is not None:
                self.tools.run(self.subject, "recover")
                self.subject.module.eval()
            speedup = self._ratio_now(number)
            cost = self._cost(self._point("recovered" if self.config.recover else "carved", number, speedup))
            if cost > self.config.max_drop:
                before.put_back(self.subject)
                self.note = (
                    f"Round {number} was undone: it cost {cost:.2f} points on the search split, max_drop allows "
                    f"{self.config.max_drop:g}; more rounds, or a stronger 'recover', may get further."
                )
                return
            if not reached:
                self.note = "Nothing is left to remove before the target is reached."
                return
            size = self._dense_bytes / weight_bytes(self.subject.module)
            reached = speedup >= _NEAR * (self.config.speedup or 0) and size >= _NEAR * (self.config.size or 0)
            if number >= self.config.rounds and reached:
                return
        self.note = (
            f"After {number} rounds {ratio(speedup)} the throughput and {_smaller(size)}, short of the target: each "
            f"round ends where much is lost before training; allow more rounds."
        )

    def _cost(self, now: Evaluation) -> float:
        """Points below the dense model, or the upper bound of that at the asked confidence."""
        if self.config.confidence is None:
            return self.dense.score - now.score
        return certainty.drop_bound(self.tools.search, self.dense, now, self.config.confidence)

    def _ratio_now(self, number: int) -> float:
        """Throughput after a round, as a multiple of the dense model's; a near miss is timed twice."""
        first, wanted = self._ratio(f"speedup {number}", lambda: self.subject.module), self.config.speedup
        if wanted is None or not _MISSED * wanted <= first < _NEAR * wanted:
            return first
        # of a copy: where a model lies in memory makes it some percent slower or faster for good
        return (first + self._ratio(f"speedup {number}, a copy", lambda: self.subject.copy().module)) / 2

    def _ratio(self, name: str, made: Callable[[], nn.Module]) -> float:
        """Throughput of a model, timed whole; where the journal has it by this name, no model is asked for."""

        def timed() -> list[float]:
            target, rows = self.tools.target, (self.tools.search, self.tools.dense_rows)
            ours, its = (Inputs.of(one, batches=2, size=target.batch) for one in rows)
            return [measure.speedup(made(), self._dense_there, ours, dense_inputs=its, target=target)]

        return self.ledger.ratios([name], timed)[0]

    def _point(self, kind: str, number: int, speedup: float, now: Evaluation | None = None) -> Evaluation:
        """One more point of the frontier, measured unless it is known."""
        if now is None:
            with self.tools.device.holding(self.subject.module):
                now = self.tools.search.evaluate(self.subject.module, progress=self.tools.progress)
        size = self._dense_bytes / weight_bytes(self.subject.module)
        self.frontier.append(Point(number, kind, speedup, size, metric_search=now.score))
        self.tools.progress.say(f"   {kind}: {ratio(speedup)} throughput, {_smaller(size)}, search {score(now.score)}")
        return now

    def _round(self, number: int, speedup: float | None, size: float | None) -> bool:
        """Remove until both targets are predicted to be reached; False where nothing is left to remove."""
        part = replace(self.tools, search=self.tools.search.first(BUDGET_ROWS))
        rows = evaluator(self.subject, part, self.config, rehearse=False, screens=False)
        clock = started(rows.bench, part, self.ledger, f"{number}")
        goals = Goals(None if speedup is None else 1 / speedup, None if size is None else self._dense_bytes / size)

        def took(element: str, loss: float, speedup: float, left: int) -> None:
            self._took(number, element, loss, speedup, self._dense_bytes / left)

        now, share = rows.bench.subject, 1 / self._ratio_now(number - 1)  # as it was judged, not as the clock predicts
        if goals.met(share, weight_bytes(now.module)):  # by its last layer for one token, say
            self.subject.carve(self._as_it_computes(now.structure))
            return True
        if self.config.mends:
            survey = Survey(rows, clock, self.ledger, *self._repairs(rows, number), number)
            return self._mended(survey, goals, share, took)
        reached = Walk(rows, clock, self.ledger, self._bare(rows), goals, number, took).run()
        self.subject.carve(self._as_it_computes(rows.bench.subject.structure))
        return reached

    def _mended(
        self, survey: Survey, goals: Goals, share: float, took: Callable[[str, float, float, int], None]
    ) -> bool:
        """Choose of the round's table, cut, and refit every block on what the mended ones below it give."""

        readings = count()

        def carved(structure: Structure) -> nn.Module:
            copy = self.subject.copy()
            copy.carve(self._as_it_computes(structure))
            module: nn.Module = copy.module
            return module

        def clocked(structure: Structure) -> float:
            return 1 / self._ratio(f"speedup {survey.number}.{next(readings)}", lambda: carved(structure))

        menus = survey.menus()
        if survey.number == 1:
            self._shared.keep(survey.repairs, self.ledger)
        found = Table(survey, menus, goals, share, clocked, took).run()
        with self.tools.device.holding(self.subject.module):
            cut_to(self.subject, self._as_it_computes(found.structure), self._calibration)
        return found.reached

    def _as_it_computes(self, structure: Structure) -> Structure:
        """The bench computes its last layer for the first token where it can; the subject where it is to."""
        return replace(structure, first_token_only=self.subject.structure.first_token_only)

    def _repairs(self, rows: Evaluator, number: int) -> tuple[Cuts, Repairs]:
        """What may go of each layer, by optimal brain surgeon and by what the answers feel, mended."""
        found = self._shared.repairs if number == 1 else None
        if found is None:
            with self.tools.device.holding(self.subject.module):
                worth = worths(self.subject, self._calibration, self.tools.train.kind)
                found = Repairs.look(self.subject, self._calibration, worth)
        rows.bench.repair = found.repair
        return Cuts(found.orders, "mean", _whole_only(self.subject)), found

    def _bare(self, rows: Evaluator) -> Cuts:
        """What may go of each layer by first order, with nothing refitted."""
        heads, neurons = importance(rows.bench.subject, rows.bench.split, rows.bench.head_size)
        scores: dict[Block, Any] = {(i, "attention"): s for i, s in heads.items()}
        scores |= {(i, "ffn"): s for i, s in neurons.items()}
        orders = {block: in_order(self.subject, *block, found) for block, found in scores.items()}
        return Cuts(orders, "zero", _whole_only(self.subject))

    @cached_property
    def _dense_there(self) -> nn.Module:
        """The dense model where it is timed: of a GPU one copy for all readings."""
        there: nn.Module = copied_to(self.tools.target.here(), self._teacher)
        return there

    @cached_property
    def _calibration(self) -> Calibration:
        """The rows that mending looks at: the same in every round, before the walk and after it."""
        return Calibration(self.tools.train, self.config.mend_rows)

    def _took(self, number: int, element: str, loss: float, speedup: float, size: float) -> None:
        """Write down what was removed."""
        self.frontier.append(Point(number, element, speedup, size, loss_search=loss))
        self.ledger.took(Took(element, loss, speedup, size))


def _whole_only(subject: Subject) -> frozenset[What]:
    """Blocks whose parts cannot go one by one in this family."""
    return frozenset(what for what, part in PARTS.items() if part in subject.family.limits)


def _smaller(size: float) -> str:
    return times(size, "smaller", "larger", "as large")


def _are_alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same weights, in the same place."""
    ours, its = one.state_dict(), other.state_dict()
    if ours.keys() != its.keys():
        return False
    return all(value.device == its[name].device and torch.equal(value, its[name]) for name, value in ours.items())
