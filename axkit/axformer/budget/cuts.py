"""What a walk may take of a layer as it is: each block whole, and a thin cut of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from axkit.anatomy.structure import Structure
from axkit.contract.subject import Subject
from axkit.kit.calibrate import BLOCKS, What, parts

_THIN: dict[What, int] = {"attention": 6, "ffn": 8}  # a thin cut is a sixth of the heads, an eighth of the neurons
PARTS: dict[What, Literal["heads", "neurons"]] = {"attention": "heads", "ffn": "neurons"}


@dataclass(frozen=True)
class Cut:
    """Something that may go.

    Attributes:
        element: its name in the journal.
        structure: what is left.
    """

    element: str
    structure: Structure


@dataclass(frozen=True)
class Cuts:
    """The cuts of a round.

    Attributes:
        orders: (layer, block) -> heads or neurons by their index in the dense model, the first to go first.
        whole: what a whole block leaves behind: nothing, or its mean, as the bias of its output projection.
        whole_only: blocks whose parts cannot go one by one.
    """

    orders: Mapping[tuple[int, What], Sequence[int]]
    whole: Literal["zero", "mean"]
    whole_only: frozenset[What] = frozenset()

    def of(self, layer: int, now: Structure) -> Iterator[Cut]:
        """Those of one layer."""
        left = now.layers[layer]
        for what in BLOCKS:
            there, stands = parts(left, what), left.attention if what == "attention" else left.ffn
            if not stands or (self.whole == "mean" and not there):
                continue
            yield Cut(f"{what}/{layer}", self._without_block(layer, what, now))
            count = max(1, _all(now, what) // _THIN[what])
            present = set(there)
            weakest = [part for part in self.orders.get((layer, what), ()) if part in present][:count]
            if weakest and count < len(there) and what not in self.whole_only:
                yield Cut(_named(what, layer, weakest, len(there) - count), _without(layer, what, weakest, now))

    def level(self, layer: int, what: What, gone: int, now: Structure) -> Cut:
        """A block that loses the first of its order, which are all there; whole, where they are all that is there."""
        there = parts(now.layers[layer], what)
        if gone >= len(there):
            return Cut(f"{what}/{layer}", self._without_block(layer, what, now))
        first = self.orders[layer, what][:gone]
        return Cut(_named(what, layer, first, len(there) - gone), _without(layer, what, first, now))

    def _without_block(self, layer: int, what: What, now: Structure) -> Structure:
        if self.whole == "mean" and what not in self.whole_only:
            return _without(layer, what, parts(now.layers[layer], what), now)
        return now.without_attention(layer) if what == "attention" else now.without_ffn(layer)


def _all(now: Structure, what: What) -> int:
    return now.n_heads if what == "attention" else now.ffn_width


def _without(layer: int, what: What, gone: Sequence[int], now: Structure) -> Structure:
    return now.without_heads(layer, gone) if what == "attention" else now.without_neurons(layer, gone)


def _named(what: What, layer: int, gone: Sequence[int], left: int) -> str:
    """Heads by their numbers, neurons by how many are left."""
    said = ",".join(map(str, sorted(gone))) if what == "attention" else str(left)
    return f"{what}/{layer}/{PARTS[what]}/{said}"


def in_order(subject: Subject, layer: int, what: What, scores: Any) -> list[int]:
    """Indices in the dense model, the least important first."""
    present = parts(subject.structure.layers[layer], what)
    return [present[i] for i in scores.argsort().tolist()]
