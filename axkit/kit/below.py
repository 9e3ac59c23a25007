"""Calibration rows on their way through a model: what enters a layer is kept, so that none below is computed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.entry import Entry
from axkit.contract.subject import Subject
from axkit.ground.device import device_of
from axkit.kit.calibrate import Calibration, EnoughError, Seen, What, layer_of, seen_of


class Below:
    """A model that is looked at block by block, first layer to last; what is below may change no more.

    A layer that is computed many times (ALBERT's) is looked at from the embeddings on, every time.

    Args:
        subject: the model; its layers may be carved and refitted once they are reached.
        calibration: rows.
    """

    def __init__(self, subject: Subject, calibration: Calibration) -> None:
        self.subject, self._calibration = subject, calibration
        self._entry = Entry(subject.module.base_model, subject.family)
        self._at = 0
        self._given: list[Tensor | None] = [None] * len(calibration.batches)  # enters it: (rows, tokens, hidden)

    def look(self, layer: int, what: What) -> Iterator[Seen]:
        """What a block does, batch by batch; its layer is no lower than any that was looked at before."""
        if layer != self._at and not self.subject.family.shared_layers:
            self._given = [self._input_of(layer, i) for i in range(len(self._given))]
            self._at = layer
        speaker = layer_of(self.subject, layer)
        for batch, given in zip(self._calibration.batches, self._given, strict=True):
            with self._entered(given):
                yield seen_of(self.subject, [(speaker, what)], batch)[layer, what]

    def _entered(self, given: Tensor | None) -> Any:
        return nullcontext() if given is None else self._entry.at(self._at, given)

    def _input_of(self, layer: int, index: int) -> Tensor:
        """What enters a layer of one batch, from what enters the one at hand."""
        found: list[Tensor] = []

        def keep(_: nn.Module, args: tuple[Any, ...]) -> None:
            found.append(args[0])
            raise EnoughError

        batch = self._calibration.batches[index].on(device_of(self.subject.module))
        handle = layer_of(self.subject, layer).module.register_forward_pre_hook(keep, prepend=True)
        try:
            with self._entered(self._given[index]), torch.inference_mode():
                self.subject.module(**batch.inputs)
        except EnoughError:
            pass
        finally:
            handle.remove()
        return found[0]
