"""The greedy search of AxFormer: one candidate at a time, kept where loss and vote agree.

Source: arXiv 2010.03688, sections 3 and 4, and the behaviour of the authors' published code. The tests hold every
decision against a plain loop that only masks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from axkit.anatomy.structure import Structure
from axkit.axformer.arrays import Rows
from axkit.axformer.bench.feeds import BlockName
from axkit.axformer.bench.opened import OpenBlock, opened
from axkit.axformer.bench.workbench import Run
from axkit.axformer.rule.guards import GUARDS
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.evaluate import Evaluator
from axkit.axformer.search.learned import Learned
from axkit.axformer.settings import SearchConfig
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools

NEAR_MISS = 1.1  # a block whose loss is below this multiple of the best is searched part by part


class Search:
    """State of one search: the evaluator, the best value so far, the journal.

    The acceptance rule: value < best + tolerance * base value, and count(l <= base l) > floor(vote * samples).

    Args:
        subject: left alone; what was found is ``self.structure``.
        tools: lent by the engine; ``tools.search`` is what it decides on.
        config: criterion, vote, guard and the like.
        looks: candidates it may evaluate, at most; the paired test is corrected for them.
        tolerance: share of the dense value that all removals together may cost; the paper's is 0.
        cuts: token counts that no batch straddles (the K of hard attention).
    """

    def __init__(
        self,
        subject: Subject,
        tools: Tools,
        config: SearchConfig,
        looks: int,
        tolerance: float = 0.0,
        cuts: tuple[int, ...] = (),
    ) -> None:
        self.rows = Evaluator(subject, tools, config, cuts)
        self.evaluations = self.rows.passes
        self.bench = self.rows.bench
        self.tolerance, self.samples = tolerance, self.rows.samples
        self._journal, self._main = tools.journal, tools.processes.is_main
        lines = tools.journal.read()
        tools.processes.wait()  # nobody writes before all have read
        self._learned = Learned(tools)
        known, self._recalled = self._learned.read(len(lines))
        if known < len(lines) and self._main:
            tools.journal.keep(known)
        self._done = {entry["element"]: entry for entry in lines[:known]}
        self._needed = int(np.floor(config.vote * self.samples))
        self._guard = GUARDS[config.guard](self.samples, looks, config.guard_level)
        self.base_value, self.best = self.rows.value(self.rows.base), self.rows.value(self.rows.now)
        self._first_token_only = subject.structure.first_token_only
        self._looks, self._start = 0, 0.0

    @property
    def structure(self) -> Structure:
        """What is left so far."""
        return replace(self.bench.subject.structure, first_token_only=self._first_token_only)

    @property
    def bound(self) -> float:
        """A candidate's value must be below this."""
        return self.best + self.tolerance * self.base_value

    def facts(self) -> dict[str, float]:
        """For the report."""
        shelf = self.bench.shelf
        return {
            "evaluations": float(self.evaluations),
            "search_loss_before_nats": self.base_value,
            "search_loss_after_nats": self.best,
            "cached_memory_bytes": float(shelf.memory_bytes),
            "cached_disk_bytes": float(shelf.disk_bytes),
        }

    def harden(self, layer: int, k: int | float, name: str) -> bool:
        """Try hard attention in one layer; the layers above are evaluated again where it stays."""
        candidate = self.structure.change(layer, hard_k=k)
        soft = self.structure.layers[layer].hard_k is None
        binds = kept_of(k, self.rows.split.lengths) < self.rows.split.lengths if soft else None
        outcome = self._swapped(name, layer, candidate, self._stakes(self.bound, True, binds))
        accepted = self._judge(name, outcome, layer, candidate)
        if accepted:
            self.rows.refresh(layer)
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
        outcome = self._swapped(element, layer, whole, self._stakes(near, False))
        if self._judge(element, outcome, layer, whole) or outcome.value >= near:
            return
        opens = (
            not self.bench.subject.family.shared_layers
        )  # a layer computed many times has no one input to open it on
        block: OpenBlock | None = None
        present = set(now.layers[layer].heads if name == "attention" else now.layers[layer].neurons)
        there = {
            f"{element}/head/{every[0]}" if name == "attention" else f"{element}/group/{number}": part
            for number, every in enumerate(parts)
            if (part := [index for index in every if index in present])
        }
        opens = opens and not self._done.keys() >= there.keys()
        for one, part in there.items():
            left = self.structure
            left = left.without_heads(layer, part) if name == "attention" else left.without_neurons(layer, part)
            if opens and block is None:  # whole, and then without what the journal knows to be gone
                block = opened(self.bench, layer, name, self.rows.batches)
            stakes = self._stakes(self.bound, True)
            if block is not None:
                outcome = self._look(one, partial(block.logits, part=part), stakes)
            else:
                outcome = self._swapped(one, layer, left, stakes)
            if self._judge(one, outcome, layer, left) and block is not None:
                block.parts.drop(self.rows.batches, part)

    def _stakes(self, ceiling: float, vote_decides: bool, binds: Rows | None = None) -> Stakes:
        return Stakes(ceiling, self.bound, self._needed, vote_decides, binds)

    def _swapped(self, element: str, layer: int, candidate: Structure, stakes: Stakes) -> Outcome:
        """Look at a candidate that is one layer of another shape."""
        if element in self._done:
            return self._look(element, None, stakes)
        with self.bench.trying(layer, candidate) as run:
            return self._look(element, run, stakes)

    def _look(self, element: str, run: Run | None, stakes: Stakes) -> Outcome:
        """Evaluate a candidate, or read off the journal what an interrupted search saw of it."""
        self._start = time.perf_counter()
        known = self._done.get(element)
        if known is not None or run is None:
            assert known is not None, "nothing is opened for what the journal knows"
            return Outcome(known["loss"], known["votes"], known["seen"], known["whole"], known["screened"])
        if self._recalled:
            self.rows.recall(self._recalled)
            self._recalled = {}
        self.evaluations += 1
        return self.rows.look(run, stakes)

    def _judge(self, element: str, outcome: Outcome, layer: int, candidate: Structure) -> bool:
        """Accept or not, and write it down."""
        look, self._looks = self._looks, self._looks + 1
        known = self._done.get(element)
        if known is not None:
            accepted = bool(known["accepted"])
        else:
            accepted = outcome.whole and outcome.value < self.bound and outcome.votes > self._needed
            if accepted:
                assert outcome.kept is not None, "a whole evaluation keeps its rows"
                accepted = self._guard.believes(self.rows.criterion, self.rows.now, outcome.kept, look)
        if accepted:
            self.bench.accept(layer, candidate)
            self.best = min(self.best, outcome.value)
            if known is None or not self._recalled:  # else it is recalled, with the bits that it had
                self.rows.accept(outcome)
        if known is None:
            if self._main:
                self._write(element, outcome, accepted)
            self._learned.write(self._looks, self.rows.learned())
        return accepted

    def _write(self, element: str, outcome: Outcome, accepted: bool) -> None:
        self._journal.write(
            element=element,
            loss=outcome.value,
            votes=outcome.votes,
            seen=outcome.seen,
            whole=outcome.whole,
            screened=outcome.screened,
            samples=self.samples,
            accepted=accepted,
            best=self.best,
            seconds=round(time.perf_counter() - self._start, 4),
        )


def kept_of(k: int | float, lengths: Rows) -> Rows:
    """Probabilities that hard attention keeps for sequences of these lengths: ``k``, or that share of the length."""
    return np.ceil(k * lengths).astype(int) if isinstance(k, float) else np.full_like(lengths, k)
