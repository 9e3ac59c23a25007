"""Run a model from one of its layers on, with one layer replaced; all that the greedy search asks of a model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, carve_layer
from axkit.subject import Subject
from axkit.tasks.split import Batch


class _Feed(nn.Module):
    """Stands for all layers before the one of interest: returns what they gave, from the cache."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: Tensor | None = None

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden if self.hidden is None else self.hidden


class Workbench:
    """A model whose layers can be tried one at a time, on fixed batches, with cached layer inputs.

    The hidden states at the input of layer i do not depend on anything the search changes at layers >= i, so they are
    computed once and kept (``batches x layers x (rows, tokens, hidden)`` float32).

    Args:
        subject: carved in place, layer by layer, as candidates are accepted.
        batches: of the search split; the same for the whole search, so that ties stay ties.
    """

    def __init__(self, subject: Subject, batches: Sequence[Batch]) -> None:
        self.subject, self.batches = subject, batches
        self._modules: Any = subject.module.base_model.get_submodule(subject.family.layers)
        self._inputs: list[list[Tensor]] = [[] for _ in range(len(self._modules))]
        self._head_size = subject.family.size(subject.module.config, "hidden") // subject.structure.n_heads
        subject.module.eval()

    def losses(self, batch: int, start: int, losses: Any) -> Tensor:
        """Losses of one batch, from the cached input of layer ``start`` on: (rows,)."""
        data = self.batches[batch]
        with self._from(start, batch), torch.inference_mode():
            logits = self.subject.module(**data.inputs).logits
            result: Tensor = losses(logits, data.labels)
        return result

    def refresh(self, batch: int, start: int, losses: Any) -> Tensor:
        """As :meth:`losses`, and keep the input of every layer from ``start`` on."""
        handles = []

        def keep(index: int) -> Any:
            def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
                kept = self._inputs[index]
                kept[batch : batch + 1] = [args[0].clone()]  # a slice: appends where the list ends here

            return hook

        for index in range(start, len(self._modules)):
            if index > start or not start:
                # prepended: KeepFirst, where present, must not cut the input before it is kept
                handles.append(self._modules[index].register_forward_pre_hook(keep(index), prepend=True))
        try:
            return self.losses(batch, start, losses)
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _from(self, start: int, batch: int) -> Iterator[None]:
        if not start or len(self._inputs[start]) <= batch:
            yield
            return
        before = [self._modules[i] for i in range(start)]
        feed = _Feed()
        feed.hidden = self._inputs[start][batch]
        for index in range(start):
            self._modules[index] = feed
        try:
            yield
        finally:
            for index, module in enumerate(before):
                self._modules[index] = module

    @contextmanager
    def trying(self, layer: int, candidate: Structure) -> Iterator[None]:
        """Give one layer the shape it has in ``candidate``, physically; put the old one back at the end.

        Call :meth:`accept` inside to let the new one stay.
        """
        old = self._modules[layer]
        new = copy.deepcopy(old)
        now, then = self.subject.structure.layers[layer], candidate.layers[layer]
        carve_layer(Layer(layer, new, self.subject.family), self.subject.family, now, then, self._head_size)
        self._modules[layer] = new
        try:
            yield
        finally:
            if self.subject.structure is not candidate:
                self._modules[layer] = old

    def accept(self, candidate: Structure) -> None:
        """The layer that is being tried stays."""
        self.subject.structure = candidate
