"""The greedy search of AxFormer: one candidate at a time, kept where loss and vote agree.

Source: arXiv 2010.03688, sections 3 and 4, and the behaviour of the authors' published code. The tests hold every
decision against a plain loop that only masks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from torch import Tensor

from axkit.anatomy.structure import Structure
from axkit.axformer.trial import BlockName, OpenBlock, Workbench
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
        subject: left alone; what was found is ``self.structure``.
        tools: lent by the engine; ``tools.search`` is what it decides on.
        rule: when to accept.
        cuts: token counts that no batch straddles (the K of hard attention, so that what K leaves alone stays equal
            to the bit and ties count as ties).
        batch_size: rows per batch.
    """

    def __init__(
        self, subject: Subject, tools: Tools, rule: Rule, cuts: tuple[int, ...] = (), batch_size: int = 64
    ) -> None:
        self.rule, self._journal = rule, tools.journal
        self._done = {entry["element"]: entry for entry in tools.journal.read()}
        self.bench = Workbench(subject, list(tools.search.batches(batch_size, cuts)), tools.search.kind.output_losses)
        self.samples = len(tools.search)
        batches = range(len(self.bench.batches))
        now = self._all(tools, partial(self.bench.refresh, start=0))
        self.base, self.evaluations = now, 1
        if any(layer.hard_k is not None for layer in subject.structure.layers):
            with self.bench.softened():  # the vote compares with soft attention, through both phases
                self.base = self._all(tools, partial(self.bench.losses, start=0))
            self.evaluations = 2
        self.base_loss, self.best = float(self.base.mean()), float(now.mean())
        mean = [float(self.base[batch.rows].mean()) for batch in self.bench.batches]
        self._hard_first = sorted(batches, key=lambda i: -mean[i])
        self._first_token_only = subject.structure.first_token_only
        self._start = 0.0

    def _all(self, tools: Tools, losses: Callable[[int], Tensor]) -> npt.NDArray[np.float64]:
        found = np.zeros(self.samples)
        for index in tools.progress.track(range(len(self.bench.batches)), "dense losses"):
            found[self.bench.batches[index].rows] = losses(index).double().numpy()
        return found

    @property
    def structure(self) -> Structure:
        """What is left so far."""
        return replace(self.bench.subject.structure, first_token_only=self._first_token_only)

    @property
    def bound(self) -> float:
        """A candidate's loss must be below this."""
        return self.best + self.rule.tolerance * self.base_loss

    def harden(self, layer: int, k: int) -> bool:
        """Try hard attention in one layer; the layers above are evaluated again where it stays."""
        candidate = self.structure.change(layer, hard_k=k)
        with self.bench.swapped(layer, self.bench.carved(layer, candidate)):
            outcome = self._look(f"hard/{layer}", lambda batch: self.bench.losses(batch, layer), self.bound, True)
        accepted = self._judge(f"hard/{layer}", outcome, layer, candidate)
        if accepted:
            for batch in range(len(self.bench.batches)):
                self.bench.refresh(batch, layer)
        return accepted

    def prune_block(self, layer: int, name: BlockName, parts: Sequence[Sequence[int]]) -> None:
        """Try to remove a whole block; after a near miss, its parts one by one.

        Args:
            layer: index.
            name: "attention" or "ffn".
            parts: heads (one each), or groups of neurons, by their index in the dense model.
        """
        now, element = self.structure, f"{name}/{layer}"
        whole = now.without_attention(layer) if name == "attention" else now.without_ffn(layer)
        near = max(NEAR_MISS * self.best, self.bound)
        with self.bench.swapped(layer, self.bench.carved(layer, whole)):
            outcome = self._look(element, lambda batch: self.bench.losses(batch, layer), near, False)
        if self._judge(element, outcome, layer, whole) or outcome.loss >= near:
            return
        # a layer that is computed several times has no one input to open its block on
        block = None if self.bench.subject.family.shared_layers else OpenBlock(self.bench, layer, name)
        present = now.layers[layer].heads if name == "attention" else now.layers[layer].neurons
        width = self.bench.head_size if name == "attention" else 1
        place = {index: position for position, index in enumerate(present)}
        for number, part in enumerate(parts):
            there = [index for index in part if index in place]
            if not there:
                continue
            columns = [place[index] * width + d for index in there for d in range(width)]
            left = self.structure
            left = left.without_heads(layer, there) if name == "attention" else left.without_neurons(layer, there)
            one = f"{element}/head/{part[0]}" if name == "attention" else f"{element}/group/{number}"
            if block is None:
                with self.bench.swapped(layer, self.bench.carved(layer, left)):
                    outcome = self._look(one, partial(self.bench.losses, start=layer), self.bound, True)
            else:
                outcome = self._look(one, partial(block.losses, columns=columns), self.bound, True)
            if self._judge(one, outcome, layer, left) and block is not None:
                block.drop(columns)

    def _look(self, element: str, losses: Callable[[int], Tensor], ceiling: float, vote_decides: bool) -> Outcome:
        """Evaluate a candidate, or read off the journal what an interrupted search saw of it."""
        self._start = time.perf_counter()
        known = self._done.get(element)
        if known is not None:
            return Outcome(known["loss"], known["votes"], known["seen"], known["whole"])
        self.evaluations += 1
        return self._evaluate(losses, ceiling, vote_decides)

    def _judge(self, element: str, outcome: Outcome, layer: int, candidate: Structure) -> bool:
        """Accept or not, and write it down."""
        accepted = outcome.whole and outcome.loss < self.bound and outcome.votes > self._needed
        if accepted:
            self.bench.accept(layer, candidate)
            self.best = min(self.best, outcome.loss)
        if element not in self._done:
            self._journal.write(
                element=element,
                loss=outcome.loss,
                votes=outcome.votes,
                seen=outcome.seen,
                whole=outcome.whole,
                samples=self.samples,
                accepted=accepted,
                best=self.best,
                seconds=round(time.perf_counter() - self._start, 4),
            )
        return accepted

    @property
    def _needed(self) -> int:
        return int(np.floor(self.rule.vote * self.samples))

    def _evaluate(self, losses: Callable[[int], Tensor], ceiling: float, vote_decides: bool) -> Outcome:
        """Losses are not negative, so a running sum past the ceiling, or a vote that is lost, ends it early."""
        found, total, votes, seen = np.zeros(self.samples), 0.0, 0, 0
        for index in self._hard_first:
            rows = self.bench.batches[index].rows
            part = losses(index).double().numpy()
            found[rows] = part
            total += float(part.sum())
            votes += int((part <= self.base[rows]).sum())
            seen += len(rows)
            lost = total > ceiling * self.samples * _SLACK
            lost = lost or (vote_decides and votes + self.samples - seen <= self._needed)
            if lost and seen < self.samples:
                return Outcome(total / self.samples, votes, seen, False)
        return Outcome(float(found.mean()), votes, seen, True)
