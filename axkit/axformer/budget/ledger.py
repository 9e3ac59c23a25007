"""What a search with a budget decides by, in its journal: a run that goes on reads it there and decides the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from axkit.anatomy.structure import Structure
from axkit.axformer.budget.lines import Line, Looked, Timed, Took, read_line
from axkit.axformer.screen.evaluate import Evaluator
from axkit.contract.tools import Tools


class Ledger:
    """Values of candidates, timings, and what was taken; each is written once, whoever looks again.

    Timings are what no run has twice. They are taken by the one process that writes, and all go by them.

    Args:
        tools: lent by the engine; the journal may have what an interrupted run left.
    """

    def __init__(self, tools: Tools) -> None:
        self._journal, self._processes = tools.journal, tools.processes
        lines = [read_line(line) for line in tools.journal.read()]
        tools.processes.wait()  # nobody writes before all have read
        self._seen = {line.at: line for line in lines if isinstance(line, Looked)}
        self._timed = {line.shape: line for line in lines if isinstance(line, Timed)}
        self._taken = sum(isinstance(line, Took) for line in lines)  # written already, and to come again
        self._looked: set[str] = set()

    @property
    def evaluations(self) -> int:
        """Candidates that were looked at, those of an interrupted run too."""
        return len(self._looked)

    @property
    def looked(self) -> list[str]:
        """What was looked at, by round, step and element."""
        return sorted(self._looked)

    def skip(self, taken: int, looked: Sequence[str]) -> bool:
        """Go on behind so many removals, which an interrupted run wrote down; False where they are not there."""
        if taken > self._taken:
            return False
        self._taken -= taken
        self._looked.update(looked)
        return True

    def ratios(self, names: Sequence[str], measure: Callable[[], Sequence[float]]) -> list[float]:
        """Timings that are known by these names, or are taken now; ratios, so that they mean the same tomorrow."""
        if any(name not in self._timed for name in names):
            for name, ratio in zip(names, self._processes.measured(measure), strict=True):
                self._note(Timed(name, ratio))
        return [self._timed[name].ratio for name in names]

    def look(self, at: str, rows: Evaluator, layer: int, candidate: Structure) -> float:
        """The criterion of a candidate; ``at`` names the round, the step and the element."""
        start = time.perf_counter()
        self._looked.add(at)
        if at not in self._seen:
            with rows.bench.trying(layer, candidate) as run:
                loss = rows.estimate(run)
            samples = rows.passes.samples
            self._note(Looked(at, loss, samples, samples, seconds=round(time.perf_counter() - start, 4)))
        return self._seen[at].loss

    @property
    def lines(self) -> Sequence[Looked | Timed]:
        """What was looked at and timed so far."""
        return *self._timed.values(), *self._seen.values()

    def adopt(self, lines: Sequence[Looked | Timed]) -> None:
        """What another search has seen of the same model is known here, too, and written down."""
        for line in lines:
            self._note(line)

    def took(self, line: Took) -> None:
        """Write down what was removed."""
        if self._taken:
            self._taken -= 1
        else:
            self._write(line)

    def _note(self, line: Looked | Timed) -> None:
        """Know it, and write it down, unless it is known."""
        known: Looked | Timed
        if isinstance(line, Timed):
            known = self._timed.setdefault(line.shape, line)
        else:
            known = self._seen.setdefault(line.at, line)
        if known is line:
            self._write(line)

    def _write(self, line: Line) -> None:
        if self._processes.is_main:
            self._journal.write(**line.to_json())
