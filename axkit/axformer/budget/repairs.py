"""What mending makes of each cut of a round: the order in which parts go, and the weights that are left.

Sources: Kurtic et al. 2023, arXiv 2302.04089 (ZipLM: each block's levels by optimal brain surgeon); Kwon et al. 2022,
arXiv 2204.09656 (least squares on what stays). The algebra is in ``axkit.kit.least_squares``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from torch import Tensor

from axkit.anatomy.structure import LayerStructure, Structure
from axkit.anatomy.surgery import Layer
from axkit.contract.subject import Subject
from axkit.kit.calibrate import BLOCKS, Block, Calibration, What, part_width, parts
from axkit.kit.least_squares import Projection
from axkit.kit.mend import own_problems, positions, refit


@dataclass(frozen=True)
class Repairs:
    """Each block's least-squares problem, as the model was when it was looked at.

    A candidate of the walk is judged with the weights that serve its own block best. When the walk has ended,
    ``axkit.kit.mend.cut_to`` goes through the blocks once more, first layer to last, and each then also makes good
    what those below it lost.

    Attributes:
        problems: (layer, block) -> its problem.
        present: the structure that they are of.
        orders: (layer, block) -> heads or neurons by their index in the dense model, the first to go first.
        errors: (layer, block) -> what the block misses when so many of them are gone, from none to all, (parts + 1,).
        widths: inputs of the output projection that a head, or a neuron, has.
    """

    problems: Mapping[Block, Projection]
    present: Structure
    orders: Mapping[Block, Sequence[int]]
    errors: Mapping[Block, Sequence[float]]
    widths: Mapping[What, int]

    @classmethod
    def look(cls, subject: Subject, calibration: Calibration, worths: Mapping[Block, Tensor] | None = None) -> Repairs:
        """One pass over the rows, and the order of each block.

        Args:
            subject: left as it is.
            calibration: rows of train.
            worths: (layer, block) -> what an error of its output counts; its square without.
        """
        widths = {what: part_width(subject, what) for what in BLOCKS}
        problems = {block: found for block, (found, _) in own_problems(subject, calibration).items()}
        orders, errors = {}, {}
        for (layer, what), found in problems.items():
            there = parts(subject.structure.layers[layer], what)
            gone, costs = found.order(widths[what], None if worths is None else worths[layer, what])
            orders[layer, what] = [there[position] for position in gone]
            errors[layer, what] = [0.0, *accumulate(costs)]
        return cls(problems, subject.structure, orders, errors, widths)

    def repair(self, layer: Layer, now: LayerStructure, then: LayerStructure) -> None:
        """Refit the blocks of a layer that was just carved from ``now`` to ``then``, in place.

        The output projection of a carved block is its own: the model that it was carved from keeps its weights.
        """
        for what in BLOCKS:
            there, stands = parts(then, what), then.attention if what == "attention" else then.ffn
            if not stands or there == parts(now, what):
                continue
            kept = positions(there, parts(self.present.layers[layer.index], what))
            refit(layer, what, self.problems[layer.index, what], kept, self.widths[what])
