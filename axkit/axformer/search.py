"""The greedy search of AxFormer: one candidate at a time, kept where loss and vote agree.

Source: arXiv 2010.03688, sections 3 and 4, and the behaviour of the authors' published code. The tests hold every
decision against a plain loop that only masks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from axkit.anatomy.structure import Structure
from axkit.axformer.trial import Workbench
from axkit.passes import Tools
from axkit.subject import Subject

NEAR_MISS = 1.1  # a block whose loss is below this multiple of the best is searched part by part
_SLACK = 1 + 1e-6  # float sums in another order: never abandon within rounding of the bound


@dataclass(frozen=True)
class Outcome:
    """What one candidate did on the search split.

    Attributes:
        loss: mean over samples; a lower bound where the evaluation was abandoned.
        votes: samples whose loss is at most that of the dense model, among those seen.
        seen: samples evaluated.
        whole: False when it was abandoned, its fate being sealed.
    """

    loss: float
    votes: int
    seen: int
    whole: bool


@dataclass(frozen=True)
class Rule:
    """The acceptance rule: L < best + tolerance * base, and count(l <= base l) > floor(vote * samples).

    Attributes:
        vote: share of the samples, 0..1; the paper's is 0.5.
        tolerance: share of the dense loss that all removals together may cost; the paper's is 0.
    """

    vote: float = 0.5
    tolerance: float = 0.0


class Search:
    """State of one search: the workbench, the dense losses, the best loss so far.

    Args:
        subject: carved in place.
        tools: lent by the engine; ``tools.search`` is what it decides on.
        rule: when to accept.
        cuts: token counts that no batch straddles (the K of hard attention, so that what K leaves alone stays equal
            to the bit and ties count as ties).
        batch_size: rows per batch.
    """

    def __init__(
        self, subject: Subject, tools: Tools, rule: Rule, cuts: tuple[int, ...] = (), batch_size: int = 64
    ) -> None:
        self.subject, self.rule = subject, rule
        self._kind = tools.search.kind
        self._journal = tools.journal
        self._done = {entry["element"]: entry for entry in tools.journal.read()}
        self.bench = Workbench(subject, list(tools.search.batches(batch_size, cuts)))
        self.samples = len(tools.search)
        self.base = np.zeros(self.samples)
        for index, batch in enumerate(self.bench.batches):
            self.base[batch.rows] = self._refresh(index, 0)
        self.base_loss = self.best = float(self.base.mean())
        self.evaluations = 1
        mean = [float(self.base[batch.rows].mean()) for batch in self.bench.batches]
        self._hard_first = sorted(range(len(mean)), key=lambda i: -mean[i])

    @property
    def bound(self) -> float:
        """A candidate's loss must be below this."""
        return self.best + self.rule.tolerance * self.base_loss

    def block(self, layer: int, candidate: Structure, element: str) -> tuple[bool, bool]:
        """Try to remove a whole block: (accepted, near miss)."""
        near = max(NEAR_MISS * self.best, self.bound)
        accepted, outcome = self._try(layer, candidate, element, near, vote_decides=False)
        return accepted, not accepted and outcome.loss < near

    def part(self, layer: int, candidate: Structure, element: str) -> bool:
        """Try a head, a neuron group, or hard attention."""
        accepted, _ = self._try(layer, candidate, element, self.bound, vote_decides=True)
        return accepted

    def _try(
        self, layer: int, candidate: Structure, element: str, ceiling: float, vote_decides: bool
    ) -> tuple[bool, Outcome]:
        start = time.perf_counter()
        with self.bench.trying(layer, candidate):
            known = self._done.get(element)
            if known is not None:
                outcome = Outcome(known["loss"], known["votes"], known["seen"], known["whole"])
            else:
                outcome = self._evaluate(layer, ceiling, vote_decides)
                self.evaluations += 1
            accepted = outcome.whole and outcome.loss < self.bound and outcome.votes > self._needed
            if accepted:
                self.bench.accept(candidate)
                self.best = min(self.best, outcome.loss)
        if known is None:
            self._journal.write(
                element=element,
                loss=outcome.loss,
                votes=outcome.votes,
                seen=outcome.seen,
                whole=outcome.whole,
                samples=self.samples,
                accepted=accepted,
                best=self.best,
                seconds=round(time.perf_counter() - start, 4),
            )
        return accepted, outcome

    @property
    def _needed(self) -> int:
        return int(np.floor(self.rule.vote * self.samples))

    def _evaluate(self, layer: int, ceiling: float, vote_decides: bool) -> Outcome:
        """Losses are not negative, so a running sum past the ceiling, or a vote that is lost, ends it early."""
        losses, total, votes, seen = np.zeros(self.samples), 0.0, 0, 0
        for index in self._hard_first:
            rows = self.bench.batches[index].rows
            part = self.bench.losses(index, layer, self._kind.losses).double().numpy()
            losses[rows] = part
            total += float(part.sum())
            votes += int((part <= self.base[rows]).sum())
            seen += len(rows)
            lost = total > ceiling * self.samples * _SLACK
            lost = lost or (vote_decides and votes + self.samples - seen <= self._needed)
            if lost and seen < self.samples:
                return Outcome(total / self.samples, votes, seen, False)
        return Outcome(float(losses.mean()), votes, seen, True)

    def refresh(self, layer: int) -> None:
        """After a layer changed on the way up: the inputs of the layers above it."""
        for index in range(len(self.bench.batches)):
            self._refresh(index, layer)

    def _refresh(self, index: int, layer: int) -> Any:
        return self.bench.refresh(index, layer, self._kind.losses).double().numpy()
