"""One round of the search with a budget: what is cheapest goes, until the round's goals are predicted to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from axkit.anatomy.structure import Structure
from axkit.axformer.budget.clock import Clock
from axkit.axformer.budget.cuts import Cuts
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.screen.evaluate import Evaluator
from axkit.kit.sizes import weight_bytes

_CLOSE, _BETWEEN = 1.15, 3  # times the wanted time: from there on the whole model is timed after every third cut


@dataclass(frozen=True)
class Goals:
    """What a round is to reach; None: nothing is asked.

    Attributes:
        share: of the dense model's time.
        bytes: of weights.
    """

    share: float | None
    bytes: float | None

    def met(self, share: float, size: int) -> bool:
        """Whether a model of so much of the dense model's time, and of so many bytes, is there."""
        return (self.share is None or share <= self.share) and (self.bytes is None or size <= self.bytes)


@dataclass
class _Candidate:
    """Something to remove, and what it would cost when last looked at."""

    element: str
    layer: int
    structure: Structure
    price: float = -np.inf  # of the criterion, per share of the way to the target
    step: int = -1


class Walk:
    """The cheapest candidate goes, again and again.

    Prices of candidates in other layers rise slowly as things go, so an old price is a lower bound in practice: only
    the cheapest is looked at again, and goes if it still is (lazy greedy, Minoux 1978).
    """

    def __init__(
        self,
        rows: Evaluator,
        clock: Clock,
        ledger: Ledger,
        cuts: Cuts,
        goals: Goals,
        number: int,
        took: Callable[[str, float, float, int], None],
    ) -> None:
        self.rows, self.clock, self.ledger, self.cuts, self.number = rows, clock, ledger, cuts, number
        self.goals, self._took = goals, took
        self.bytes = weight_bytes(rows.bench.subject.module)
        self.layer_bytes = {layer.index: weight_bytes(layer.module) for layer in rows.bench.subject.layers}
        self.value, self.step = rows.passes.value(rows.now), 0
        self._timed_at = 0

    def run(self) -> bool:
        """False where nothing is left to remove; else the goals are reached, or much is lost and training is due."""
        bench = self.rows.bench
        queue = [c for layer in range(len(bench.subject.structure.layers)) for c in self._of(layer)]
        dear = self.rows.passes.criterion.dear(self.value)  # before more is lost, train and judge
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
        return self._fast(structure) and (self.goals.bytes is None or size <= self.goals.bytes)

    def _fast(self, structure: Structure) -> bool:
        """Near the goal the whole model is timed now and then; only what it says itself, just now, is believed."""
        if self.goals.share is None:
            return True
        if self.clock.share(structure) > _CLOSE * self.goals.share:
            return False
        if self.step >= self._timed_at + _BETWEEN:
            self._set_right()
        if self.clock.share(structure) > self.goals.share:
            return False
        self._set_right()
        return self.clock.share(structure) <= self.goals.share

    def _set_right(self) -> None:
        self.clock.set_right()
        self._timed_at = self.step

    def _price(self, candidate: _Candidate) -> None:
        now = self.rows.bench.subject.structure
        at = f"{self.number}.{self.step}:{candidate.element}"
        value = self.ledger.look(at, self.rows, candidate.layer, candidate.structure)
        bought = 0.0  # shares of the ways that are left; what goes beyond a goal buys nothing
        if self.goals.share is not None:
            saved = self.clock.share(now) - self.clock.share(candidate.structure)
            bought += float(np.clip(saved / max(self.clock.share(now) - self.goals.share, 1e-9), 0, 1))
        if self.goals.bytes is not None:
            spared = self.layer_bytes[candidate.layer] - self._layer_size(candidate)
            bought += float(np.clip(spared / max(self.bytes - self.goals.bytes, 1.0), 0, 1))
        cost = value - self.value
        candidate.price = cost / max(bought, 1e-3) if cost > 0 else cost * bought
        candidate.step = self.step

    def _layer_size(self, candidate: _Candidate) -> int:
        return weight_bytes(self.rows.bench.carved(candidate.layer, candidate.structure))

    def _take(self, candidate: _Candidate) -> None:
        bench, layer = self.rows.bench, candidate.layer
        self.value = self.ledger.look(
            f"{self.number}.{self.step}:{candidate.element}", self.rows, layer, candidate.structure
        )
        bench.accept(layer, candidate.structure)
        self.rows.refresh_low(layer)
        new = weight_bytes(bench.layer(layer).module)
        self.bytes += new - self.layer_bytes[layer]
        self.layer_bytes[layer] = new
        self.step += 1
        speedup = self.clock.speedup(bench.subject.structure)
        self._took(candidate.element, self.value, speedup, self.bytes)

    def _of(self, layer: int) -> list[_Candidate]:
        now = self.rows.bench.subject.structure
        return [_Candidate(cut.element, layer, cut.structure) for cut in self.cuts.of(layer, now)]


def _moved(candidate: _Candidate, now: Structure) -> Structure:
    """The candidate's layer in the structure as it is now."""
    layers = list(now.layers)
    layers[candidate.layer] = candidate.structure.layers[candidate.layer]
    return replace(now, layers=tuple(layers))
