"""A round's table: what each block costs and saves at its levels, the rest of the model as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axkit.anatomy.structure import Structure
from axkit.axformer.budget.clock import Clock
from axkit.axformer.budget.cuts import Cut, Cuts
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.budget.levels import Looked, Menu, menu
from axkit.axformer.budget.repairs import Repairs
from axkit.axformer.screen.evaluate import Evaluator
from axkit.kit.calibrate import BLOCKS, Block, What, parts
from axkit.kit.sizes import weight_bytes

_STEPS: dict[What, int] = {"attention": 10**9, "ffn": 24}  # levels of a whole block, at most; of heads each is one
_LOOKED = (0.5, 0.84, 0.96, 1.0)  # shares of what is there, that are looked at when they are gone


@dataclass(frozen=True)
class Survey:
    """Looks at each block of the model of a round.

    Attributes:
        rows: that candidates are looked at on, and the model.
        clock: what a structure takes.
        ledger: where it is written down.
        cuts: what may go, and in which order.
        repairs: what each block misses at its levels.
        number: of the round.
    """

    rows: Evaluator
    clock: Clock
    ledger: Ledger
    cuts: Cuts
    repairs: Repairs
    number: int

    def menus(self) -> list[Menu]:
        """Of every block that has parts left, in the order in which the model computes them."""
        now, value = self.now, self.rows.passes.value(self.rows.now)
        blocks: list[Block] = [
            (layer, what) for layer in range(len(now.layers)) for what in BLOCKS if parts(now.layers[layer], what)
        ]
        return [self._menu(block, value) for block in blocks]

    @property
    def now(self) -> Structure:
        """What is left of the model as the round begins."""
        return self.rows.bench.subject.structure

    def cut(self, block: Block, gone: int, structure: Structure) -> Cut:
        """A structure whose block, which is as the round began, loses the first of its order."""
        return self.cuts.level(*block, gone, structure)

    def _menu(self, block: Block, value: float) -> Menu:
        steps = self._steps(block)
        gone = sorted({min(steps, key=lambda step: abs(step - share * steps[-1])) for share in _LOOKED})
        cuts = [self.cut(block, count, self.now) for count in gone]
        grown = [self._looked(block[0], cut) - value for cut in cuts]
        share = self.clock.share(self.now)
        time = [share - self.clock.share(cut.structure) for cut in cuts]
        looked = Looked(gone, grown, time, self._bytes(block[0], cuts))
        return menu(block, steps, looked, self.repairs.errors[block], self.rows.passes.criterion.by_label)

    def _looked(self, layer: int, cut: Cut) -> float:
        return self.ledger.look(f"{self.number}.0:{cut.element}", self.rows, layer, cut.structure)

    def _steps(self, block: Block) -> list[int]:
        """How many parts may go: what is left is a multiple of a step."""
        there, what = len(parts(self.now.layers[block[0]], block[1])), block[1]
        if what in self.cuts.whole_only:
            return [there]
        whole = self.now.n_heads if what == "attention" else self.now.ffn_width
        step = max(1, whole // _STEPS[what])
        return sorted(there - left for left in range(0, there, step))

    def _bytes(self, layer: int, cuts: Sequence[Cut]) -> list[float]:
        bench = self.rows.bench
        before = weight_bytes(bench.layer(layer).module)
        return [float(before - weight_bytes(bench.carved(layer, cut.structure))) for cut in cuts]
