"""What a search with a budget decides by, in its journal: a run that goes on reads it there and decides the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

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
        self._lines = [line for line in lines if isinstance(line, Looked | Timed)]
        tools.processes.wait()  # nobody writes before all have read
        self._values: dict[str, float] = {line.at: line.loss for line in lines if isinstance(line, Looked)}
        self._ratios: dict[str, float] = {line.shape: line.ratio for line in lines if isinstance(line, Timed)}
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
        if any(name not in self._ratios for name in names):
            mine = measure() if self._processes.is_main else [0.0] * len(names)
            for name, ratio in zip(names, self._processes.sum(np.array(mine, float)), strict=True):
                if name not in self._ratios:
                    self._ratios[name] = float(ratio)
                    self._write(Timed(name, float(ratio)))
        return [self._ratios[name] for name in names]

    def look(self, at: str, rows: Evaluator, layer: int, candidate: Structure) -> float:
        """The criterion of a candidate; ``at`` names the round, the step and the element."""
        start = time.perf_counter()
        self._looked.add(at)
        if at not in self._values:
            with rows.bench.trying(layer, candidate) as run:
                self._values[at] = rows.estimate(run)
            line = Looked(
                at=at,
                loss=self._values[at],
                seen=rows.passes.samples,
                samples=rows.passes.samples,
                seconds=round(time.perf_counter() - start, 4),
            )
            self._write(line)
        return self._values[at]

    @property
    def lines(self) -> Sequence[Looked | Timed]:
        """What was looked at and timed so far."""
        return tuple(self._lines)

    def adopt(self, lines: Sequence[Looked | Timed]) -> None:
        """What another search has seen of the same model is known here, too, and written down."""
        for line in lines:
            if isinstance(line, Timed) and line.shape not in self._ratios:
                self._ratios[line.shape] = line.ratio
                self._write(line)
            elif isinstance(line, Looked) and line.at not in self._values:
                self._values[line.at] = line.loss
                self._write(line)

    def took(self, line: Took) -> None:
        """Write down what was removed."""
        if self._taken:
            self._taken -= 1
        else:
            self._write(line)

    def _write(self, line: Line) -> None:
        if isinstance(line, Looked | Timed):
            self._lines.append(line)
        if self._processes.is_main:
            self._journal.write(**line.to_json())
