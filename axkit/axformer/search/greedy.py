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
from axkit.axformer.bench.opened import opened
from axkit.axformer.bench.workbench import Run
from axkit.axformer.rule.acceptance import Acceptance
from axkit.axformer.rule.guards import GUARDS, Guard
from axkit.axformer.rule.stakes import Outcome, Stakes
from axkit.axformer.screen.evaluate import Evaluator, evaluator
from axkit.axformer.search.diary import Diary, open_diary
from axkit.axformer.search.fresh import Fresh, choosing, fresh_rows
from axkit.axformer.search.lines import Judged
from axkit.axformer.settings import SearchConfig
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools


def begin(
    subject: Subject,
    tools: Tools,
    config: SearchConfig,
    looks: int,
    tolerance: float = 0.0,
    cuts: tuple[int, ...] = (),
) -> Search:
    """Evaluate the model as it is, and read what an interrupted search had decided.

    Args:
        subject: left alone; what was found is ``structure`` of the search.
        tools: lent by the engine; ``tools.search`` is what it decides on, or so much of it as ``search_rows`` says.
        config: criterion, vote, guard and the like.
        looks: candidates it may evaluate, at most; the paired test is corrected for them.
        tolerance: share of the dense value that all removals together may cost; the paper's is 0.
        cuts: token counts that no batch straddles (the K of hard attention).
    """
    few = choosing(tools, config)
    rows = evaluator(subject, few, config, cuts)
    samples = len(few.search)
    rule = Acceptance(rows.passes.value(rows.base), tolerance, int(np.floor(config.vote * samples)))
    guard = GUARDS[config.guard](samples, looks, config.guard_level)
    fresh = fresh_rows(rows.bench, tools, config, tolerance)
    return Search(rows, rule, guard, open_diary(tools), fresh, subject.structure.first_token_only)


class Search:
    """State of one search: the evaluator, the best value so far, the journal.

    Args:
        rows: evaluates candidates.
        rule: that they have to meet.
        guard: what else a gain has to pass.
        diary: of this search.
        fresh: confirms on other rows; None where there are none.
        first_token_only: of the subject; the workbench's copy may do with less.
    """

    def __init__(
        self,
        rows: Evaluator,
        rule: Acceptance,
        guard: Guard,
        diary: Diary,
        fresh: Fresh | None,
        first_token_only: bool,
    ) -> None:
        self._rows, self._rule, self._guard, self._diary, self._fresh = rows, rule, guard, diary, fresh
        self._first_token_only = first_token_only
        self.best = rows.passes.value(rows.now)
        self.evaluations = 1 if rows.base is rows.now else 2

    @property
    def structure(self) -> Structure:
        """What is left so far."""
        return replace(self._rows.bench.subject.structure, first_token_only=self._first_token_only)

    def facts(self) -> dict[str, float]:
        """For the report."""
        shelf = self._rows.bench.shelf
        return {
            "evaluations": float(self.evaluations),
            "search_loss_before_nats": self._rule.base_value,
            "search_loss_after_nats": self.best,
            "cached_memory_bytes": float(shelf.memory_bytes),
            "cached_disk_bytes": float(shelf.disk_bytes),
            **({"chosen_on_rows": float(self._rows.passes.samples), **self._fresh.facts()} if self._fresh else {}),
        }

    def harden(self, layer: int, k: int | float, name: str) -> bool:
        """Try hard attention in one layer; the layers above are evaluated again where it stays."""
        lengths = self._rows.bench.split.lengths
        soft = self.structure.layers[layer].hard_k is None
        binds = kept_of(k, lengths) < lengths if soft else None
        candidate = self.structure.change(layer, hard_k=k)
        accepted, _ = self._try(name, layer, candidate, self._rule.of_part(self.best, binds))
        if accepted:
            self._rows.refresh(layer)
        return accepted

    def prune_block(self, layer: int, name: BlockName, parts: Sequence[Sequence[int]]) -> None:
        """Try to remove a whole block; after a near miss, its parts one by one.

        Args:
            layer: index.
            name: "attention" or "ffn".
            parts: heads (one each), or groups of neurons, by their index in the dense model; none where the block goes
                whole or not at all.
        """
        now, near = self.structure, self._rule.near(self.best)
        whole = now.without_attention(layer) if name == "attention" else now.without_ffn(layer)
        accepted, value = self._try(f"{name}/{layer}", layer, whole, self._rule.of_block(self.best))
        if not accepted and value < near:
            self._prune_parts(layer, name, _left_of(parts, now, layer, name))

    def _prune_parts(self, layer: int, name: BlockName, there: dict[str, list[int]]) -> None:
        """Try the parts of a block that are still there, by element; what goes accumulates."""
        unknown = any(self._diary.known(element) is None for element in there)
        # a layer that is computed many times has no one input to open it on
        opens = unknown and not self._rows.bench.subject.family.shared_layers
        block = None
        for element, part in there.items():
            left = self.structure
            left = left.without_heads(layer, part) if name == "attention" else left.without_neurons(layer, part)
            if opens and block is None:  # whole, and then without what the journal knows to be gone
                block = opened(self._rows.bench, layer, name, self._rows.batches)
            run = partial(block.logits, part=part) if block is not None else None
            accepted, _ = self._try(element, layer, left, self._rule.of_part(self.best), run)
            if accepted and block is not None:
                block.parts.drop(self._rows.batches, part)

    def _try(
        self, element: str, layer: int, candidate: Structure, stakes: Stakes, run: Run | None = None
    ) -> tuple[bool, float]:
        """Judge a candidate, or read off the journal what an interrupted search made of it.

        Args:
            element: its name in the journal.
            layer: the one that it changes.
            candidate: the model with it.
            stakes: what it has to reach.
            run: its logits; None: found by swapping the layer.

        Returns:
            Whether it stays, and its value.
        """
        start, known = time.perf_counter(), self._diary.known(element)
        look, self._diary.looks = self._diary.looks, self._diary.looks + 1
        if known is not None:
            if self._fresh is not None and known.fresh is not None:
                self._fresh.note(known.accepted, known.fresh)
            if known.accepted:
                self._keep(layer, candidate, known.loss, None)
            return known.accepted, known.loss
        outcome = self._look(layer, candidate, stakes, run)
        accepted = self._rule.accepts(outcome, self.best) and self._believes(outcome, look)
        fresh = None
        if accepted and self._fresh is not None:
            accepted, fresh = self._fresh.judged(layer, candidate)
        if accepted:
            self._keep(layer, candidate, outcome.value, outcome)
        self._write(element, outcome, accepted, time.perf_counter() - start, fresh)
        return accepted, outcome.value

    def _look(self, layer: int, candidate: Structure, stakes: Stakes, run: Run | None) -> Outcome:
        if self._diary.replaying:
            self._rows.recall(self._diary.recall())
        self.evaluations += 1
        if run is not None:
            return self._rows.look(run, stakes)
        with self._rows.bench.trying(layer, candidate) as swapped:
            return self._rows.look(swapped, stakes)

    def _believes(self, outcome: Outcome, look: int) -> bool:
        assert outcome.kept is not None, "a whole evaluation keeps its rows"
        return self._guard.believes(self._rows.passes.criterion, self._rows.now, outcome.kept, look)

    def _keep(self, layer: int, candidate: Structure, value: float, outcome: Outcome | None) -> None:
        """Carve the workbench's copy. An ``outcome`` of None was seen by an interrupted search."""
        self._rows.bench.accept(layer, candidate)
        self.best = min(self.best, value)
        if not self._diary.replaying:  # else its rows are recalled, with the bits that they had
            self._rows.accept(None if outcome is None else outcome.kept)

    def _write(self, element: str, outcome: Outcome, accepted: bool, seconds: float, fresh: float | None) -> None:
        line = Judged(
            element=element,
            loss=outcome.value,
            votes=outcome.votes,
            seen=outcome.seen,
            whole=outcome.whole,
            screened=outcome.screened,
            samples=self._rows.passes.samples,
            accepted=accepted,
            best=self.best,
            seconds=round(seconds, 4),
            fresh=fresh,
        )
        self._diary.write(line, self._rows.learned())


def _left_of(parts: Sequence[Sequence[int]], now: Structure, layer: int, name: BlockName) -> dict[str, list[int]]:
    """What is still there of each part, by its element in the journal."""
    left = now.layers[layer]
    present = set(left.heads if name == "attention" else left.neurons)
    named = {
        f"{name}/{layer}/head/{every[0]}" if name == "attention" else f"{name}/{layer}/group/{number}": every
        for number, every in enumerate(parts)
    }
    there = {element: [index for index in every if index in present] for element, every in named.items()}
    return {element: part for element, part in there.items() if part}


def kept_of(k: int | float, lengths: Rows) -> Rows:
    """Probabilities that hard attention keeps for sequences of these lengths: ``k``, or that share of the length."""
    return np.ceil(k * lengths).astype(int) if isinstance(k, float) else np.full_like(lengths, k)
