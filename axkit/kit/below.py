"""Calibration rows on their way through a model: what enters a layer is kept, so that none below is computed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from torch import Tensor

from axkit.anatomy.entry import Entry
from axkit.contract.subject import Subject
from axkit.kit.calibrate import BLOCKS, Block, Calibration, Seen, What, adds, entering, layer_of, seen_of


class _Entered:
    """A model that is entered at the layer that was reached, batch by batch.

    A layer that is computed many times (ALBERT's) is looked at from the embeddings on, every time.

    Args:
        subject: the model.
        calibration: rows.
    """

    def __init__(self, subject: Subject, calibration: Calibration) -> None:
        self.subject, self._batches = subject, list(calibration.batches)
        self._entry = Entry(subject.module.base_model, subject.family)
        self._at = 0
        self._given: list[Tensor | None] = [None] * len(self._batches)  # enters it: (rows, tokens, hidden)

    def grow(self, calibration: Calibration) -> None:
        """Look at more rows from here on.

        Args:
            calibration: its first batches are those that there are already.
        """
        self._batches = list(calibration.batches)
        self._given += [None] * (len(self._batches) - len(self._given))  # these begin at the embeddings

    def _entered(self, index: int) -> Any:
        """The model begins where a batch has come to."""
        given = self._given[index]
        return nullcontext() if given is None else self._entry.at(self._at, given)


class Below(_Entered):
    """A model that is looked at block by block, first layer to last; what is below may change no more.

    Its layers may be carved and refitted once they are reached.
    """

    def look(self, layer: int, what: What) -> Iterator[Seen]:
        """What a block does, batch by batch; its layer is no lower than any that was looked at before."""
        if layer != self._at and not self.subject.family.shared_layers:
            self._given = [self._input_of(layer, i) for i in range(len(self._batches))]
            self._at = layer
        speaker = layer_of(self.subject, layer)
        for index, batch in enumerate(self._batches):
            with self._entered(index):
                yield seen_of(self.subject, [(speaker, what)], batch)[layer, what]

    def _input_of(self, layer: int, index: int) -> Tensor:
        """What enters a layer of one batch, from what enters the one at hand."""
        with self._entered(index), entering(layer_of(self.subject, layer)) as found:
            seen_of(self.subject, [], self._batches[index])
        return found[0]


class Steady(_Entered):
    """A model that stays as it is: the blocks of a layer are looked at together, and with them what enters the next."""

    def __init__(self, subject: Subject, calibration: Calibration) -> None:
        super().__init__(subject, calibration)
        self._kept: dict[Block, list[Tensor]] = {}  # residual streams that are asked for later

    def sums(self, layer: int, what: What) -> Iterator[Tensor]:
        """The residual stream after a block, batch by batch: (real tokens, hidden), as of ``Seen``.

        Args:
            layer: no lower than any that was asked for before.
            what: a block of it that ``adds``; each is asked for once, in the order in which they are computed.
        """
        if (layer, what) in self._kept:
            yield from self._kept.pop((layer, what))
            return
        speaker, shared = layer_of(self.subject, layer), self.subject.family.shared_layers
        blocks = [(speaker, one) for one in BLOCKS[BLOCKS.index(what) :] if adds(self.subject, layer, one)]
        after = next((one for one in self.subject.layers if one.index > layer and not shared), None)
        self._kept = {(layer, one): [] for _, one in blocks[1:]}
        for index, batch in enumerate(self._batches):
            with self._entered(index), entering(after) as further:
                found = seen_of(self.subject, blocks, batch, stops=after is None)
            for block, kept in self._kept.items():
                kept.append(found[block].sums)
            self._given[index] = further[0] if further else self._given[index]
            yield found[layer, what].sums
        self._at = self._at if after is None else after.index
