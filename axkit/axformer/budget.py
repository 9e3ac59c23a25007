"""The search with a budget: remove what buys most time or bytes per loss, until a target or the budget is reached.

Ours, not the paper's: candidates are whole blocks and thin cuts alike, what they buy is measured on this machine, what
they cost is the criterion on the search split, and the model may be trained between rounds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axkit import certainty, measure
from axkit.anatomy.structure import Structure
from axkit.axformer.clock import Clock
from axkit.axformer.evaluate import Evaluator
from axkit.axformer.importance import importance
from axkit.passes import Tools
from axkit.subject import Subject
from axkit.tasks.split import Evaluation

if TYPE_CHECKING:
    from axkit.axformer.prune import AxformerPruneConfig

_ROWS = 512  # of the search split that a candidate is looked at on; rounds are judged on all
_EXTRA = 3  # rounds more, at most, where the measured model is slower than was predicted
_NEAR = 0.99  # of the wanted speed-up counts as reached
_DEAR = 1.5  # times the criterion at the start of a round: before more is lost, train and judge
_CLOSE, _BETWEEN = 1.15, 3  # times the wanted time: from there on the whole model is timed after every third cut
_FFN_CUTS, _HEAD_CUTS = 8, 6  # a thin cut is an eighth of the neurons, or a sixth of the heads, of a dense layer


@dataclass
class _Candidate:
    """Something to remove, and what it would cost when last looked at."""

    element: str
    layer: int
    structure: Structure
    price: float = -np.inf  # of the criterion, per share of the way to the target
    step: int = -1


class BudgetSearch:
    """Rounds of greedy removal, each followed by training where the recipe says so.

    Args:
        subject: carved, and trained, in place.
        tools: lent by the engine.
        config: of the pass: targets, budget, rounds.
    """

    def __init__(self, subject: Subject, tools: Tools, config: AxformerPruneConfig) -> None:
        assert tools.teacher is not None, "planned: the objective needs the dense model"
        self.subject, self.tools, self.config = subject, tools, config
        self._journal = tools.journal
        lines = tools.journal.read()
        self._values = {line["at"]: line["loss"] for line in lines if "at" in line}
        self._ratios = {line["shape"]: line["ratio"] for line in lines if "shape" in line}
        self.evaluations = 0
        self.frontier: list[dict[str, Any]] = []
        self.dense: Evaluation = tools.search.evaluate(tools.teacher, progress=tools.progress)
        self._dense_bytes = _bytes(tools.teacher)
        self.note = ""

    def run(self) -> None:
        """Walk until the target or the budget is reached; the subject is left at the last good point."""
        self._point("start", 0, self._ratio_now())
        for number in range(1, self.config.rounds + _EXTRA + 1):
            before = self.subject.copy()
            share = min(1.0, number / self.config.rounds)
            targets = [None if t is None else t**share for t in (self.config.speedup, self.config.size)]
            reached = self._round(number, targets[0], targets[1])
            if self.config.recover is not None:
                self.tools.run(self.subject, "recover")
                self.subject.module.eval()
            speedup = self._ratio_now()
            cost = self._cost(self._point("recovered" if self.config.recover else "carved", number, speedup))
            if cost > self.config.max_drop:
                self.subject.module, self.subject.structure = before.module, before.structure
                self.note = (
                    f"Round {number} was undone: it cost {cost:.2f} points on the search split, max_drop allows "
                    f"{self.config.max_drop:g}; more rounds, or a stronger 'recover', may get further."
                )
                return
            if not reached:
                self.note = "Nothing is left to remove before the target is reached."
                return
            size = self._dense_bytes / _bytes(self.subject.module)
            reached = speedup >= _NEAR * (self.config.speedup or 0) and size >= _NEAR * (self.config.size or 0)
            if number >= self.config.rounds and reached:
                return
        self.note = (
            f"After {number} rounds {speedup:.2f}x the throughput and {size:.2f}x smaller, short of the target: each "
            f"round ends where much is lost before training; allow more rounds."
        )

    def _cost(self, now: Evaluation) -> float:
        """Points below the dense model, or the upper bound of that at the asked confidence."""
        if self.config.confidence is None:
            return self.dense.score - now.score
        return certainty.drop_bound(self.tools.search, self.dense, now, self.config.confidence)

    def _ratio_now(self) -> float:
        inputs = measure.Inputs.of(self.tools.search, batches=2)
        return measure.speedup(self.subject.module, self.tools.teacher, inputs)

    def _point(self, kind: str, number: int, speedup: float) -> Evaluation:
        """One more point of the frontier, measured."""
        now = self.tools.search.evaluate(self.subject.module, progress=self.tools.progress)
        size = self._dense_bytes / _bytes(self.subject.module)
        point = {"round": number, "kind": kind, "speedup": speedup, "size": size, "metric_search": now.score}
        self.frontier.append({name: round(v, 4) if isinstance(v, float) else v for name, v in point.items()})
        self.tools.progress.say(f"   {kind}: {speedup:.2f}x throughput, {size:.2f}x smaller, search {now.score:.2f}")
        return now

    def _round(self, number: int, speedup: float | None, size: float | None) -> bool:
        """Remove until both targets are predicted to be reached; False where nothing is left to remove."""
        part = replace(self.tools, search=self.tools.search.first(_ROWS))
        rows = Evaluator(self.subject, part, self.config, rehearse=False)
        clock = Clock(rows.bench, self.tools.teacher, part.search, self._ratios, self._tell_ratio, f"{number}")
        heads, neurons = importance(rows.bench.subject, part.search, rows.bench.head_size)
        orders = (
            {i: _order(self.subject, i, s, "heads") for i, s in heads.items()},
            {i: _order(self.subject, i, s, "neurons") for i, s in neurons.items()},
        )
        walk = _Walk(self, rows, clock, orders, speedup, size, number)
        reached = walk.run()
        first_only = self.subject.structure.first_token_only
        self.subject.carve(replace(rows.bench.subject.structure, first_token_only=first_only))
        return reached

    def _tell_ratio(self, shape: str, ratio: float) -> None:
        self._ratios[shape] = ratio
        if self.tools.processes.is_main:
            self._journal.write(shape=shape, ratio=ratio)

    def look(self, at: str, rows: Evaluator, layer: int, candidate: Structure) -> float:
        """The criterion of a candidate, or what an interrupted search saw."""
        start = time.perf_counter()
        if at not in self._values:
            with rows.bench.trying(layer, candidate) as run:
                self._values[at] = rows.estimate(run)
            self.evaluations += 1
            if self.tools.processes.is_main:
                seconds = round(time.perf_counter() - start, 4)
                self._journal.write(
                    at=at,
                    element=at.split(":")[1],
                    loss=self._values[at],
                    seen=rows.samples,
                    samples=rows.samples,
                    seconds=seconds,
                )
        value: float = self._values[at]
        return value

    def took(self, number: int, element: str, loss: float, speedup: float, size: float) -> None:
        """Write down what was removed."""
        point = {"round": number, "kind": element, "speedup": speedup, "size": size, "loss_search": loss}
        self.frontier.append({name: round(v, 4) if isinstance(v, float) else v for name, v in point.items()})
        if self.tools.processes.is_main:
            self._journal.write(
                element=element, accepted=True, loss=loss, speedup=round(speedup, 4), size=round(size, 4)
            )


class _Walk:
    """One round: the cheapest candidate goes, again and again.

    Prices of candidates in other layers rise slowly as things go, so an old price is a lower bound in practice: only
    the cheapest is looked at again, and goes if it still is (lazy greedy, Minoux 1978).
    """

    def __init__(
        self, search: BudgetSearch, rows: Evaluator, clock: Clock, orders: Any, speedup: float | None,
        size: float | None, number: int,
    ) -> None:  # fmt: skip
        self.search, self.rows, self.clock, self.orders, self.number = search, rows, clock, orders, number
        self.goal = None if speedup is None else 1 / speedup
        self.goal_bytes = None if size is None else search._dense_bytes / size
        self.bytes = _bytes(rows.bench.subject.module)
        self.layer_bytes = {layer.index: _bytes(layer.module) for layer in rows.bench.subject.layers}
        self.value, self.step = rows.value(rows.now), 0
        self._timed_at = 0

    def run(self) -> bool:
        """False where nothing is left to remove; else the goals are reached, or much is lost and training is due."""
        bench = self.rows.bench
        queue = [c for layer in range(len(bench.subject.structure.layers)) for c in self._of(layer)]
        dear = _DEAR * self.value
        while not self._there(bench.subject.structure, self.bytes) and self.value < dear:
            if not queue:
                return False
            best = min(queue, key=lambda c: c.price)
            if best.step != self.step:
                self._price(best)
                continue
            self._take(best)
            queue = [c for c in queue if c.layer != best.layer]
            for c in queue:  # the same cut, of the structure as it is now
                c.structure = _moved(c, bench.subject.structure)
            queue += self._of(best.layer)
        return True

    def _there(self, structure: Structure, size: float) -> bool:
        return self._fast(structure) and (self.goal_bytes is None or size <= self.goal_bytes)

    def _fast(self, structure: Structure) -> bool:
        """Near the goal the whole model is timed now and then; only what it says itself, just now, is believed."""
        if self.goal is None:
            return True
        if self.clock.share(structure) > _CLOSE * self.goal:
            return False
        if self.step >= self._timed_at + _BETWEEN:
            self._set_right()
        if self.clock.share(structure) > self.goal:
            return False
        self._set_right()
        return self.clock.share(structure) <= self.goal

    def _set_right(self) -> None:
        self.clock.set_right()
        self._timed_at = self.step

    def _price(self, candidate: _Candidate) -> None:
        now = self.rows.bench.subject.structure
        at = f"{self.number}.{self.step}:{candidate.element}"
        value = self.search.look(at, self.rows, candidate.layer, candidate.structure)
        bought = 0.0  # shares of the ways that are left; what goes beyond a goal buys nothing
        if self.goal is not None:
            saved = self.clock.share(now) - self.clock.share(candidate.structure)
            bought += float(np.clip(saved / max(self.clock.share(now) - self.goal, 1e-9), 0, 1))
        if self.goal_bytes is not None:
            spared = self.layer_bytes[candidate.layer] - self._layer_size(candidate)
            bought += float(np.clip(spared / max(self.bytes - self.goal_bytes, 1.0), 0, 1))
        cost = value - self.value
        candidate.price = cost / max(bought, 1e-3) if cost > 0 else cost * bought
        candidate.step = self.step

    def _layer_size(self, candidate: _Candidate) -> int:
        return _bytes(self.rows.bench.carved(candidate.layer, candidate.structure))

    def _take(self, candidate: _Candidate) -> None:
        bench, layer = self.rows.bench, candidate.layer
        self.value = self.search.look(
            f"{self.number}.{self.step}:{candidate.element}", self.rows, layer, candidate.structure
        )
        bench.accept(layer, candidate.structure)
        self.rows.refresh_low(layer)
        new = _bytes(bench.layer(layer).module)
        self.bytes += new - self.layer_bytes[layer]
        self.layer_bytes[layer] = new
        self.step += 1
        speedup = self.clock.speedup(bench.subject.structure)
        self.search.took(self.number, candidate.element, self.value, speedup, self.search._dense_bytes / self.bytes)

    def _of(self, layer: int) -> list[_Candidate]:
        """The candidates of one layer: each block, and a thin cut of each."""
        now = self.rows.bench.subject.structure
        left, found = now.layers[layer], []
        if left.attention:
            found.append(_Candidate(f"attention/{layer}", layer, now.without_attention(layer)))
            cut = max(1, now.n_heads // _HEAD_CUTS)
            weakest = [h for h in self.orders[0].get(layer, ()) if h in left.heads][:cut]
            if cut < len(left.heads):
                name = f"attention/{layer}/heads/{','.join(map(str, sorted(weakest)))}"
                found.append(_Candidate(name, layer, now.without_heads(layer, weakest)))
        if left.ffn:
            found.append(_Candidate(f"ffn/{layer}", layer, now.without_ffn(layer)))
            cut, present = max(1, now.ffn_width // _FFN_CUTS), set(left.neurons)
            weakest = [n for n in self.orders[1].get(layer, ()) if n in present][:cut]
            if cut < len(present):
                name = f"ffn/{layer}/neurons/{len(present) - cut}"
                found.append(_Candidate(name, layer, now.without_neurons(layer, weakest)))
        return found


def _moved(candidate: _Candidate, now: Structure) -> Structure:
    """The candidate's layer in the structure as it is now."""
    layers = list(now.layers)
    layers[candidate.layer] = candidate.structure.layers[candidate.layer]
    return replace(now, layers=tuple(layers))


def _order(subject: Subject, layer: int, scores: Any, what: str) -> list[int]:
    """Indices in the dense model, the least important first."""
    present = getattr(subject.structure.layers[layer], what)
    return [present[i] for i in scores.argsort().tolist()]


def _bytes(module: Any) -> int:
    return sum(t.numel() * t.element_size() for t in module.state_dict().values())
