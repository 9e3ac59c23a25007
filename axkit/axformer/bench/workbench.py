"""Run a model from one of its layers on, with one layer or block replaced: all that the greedy search asks of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.entry import Entry
from axkit.anatomy.modules import NoLayer
from axkit.anatomy.structure import LayerStructure, Structure
from axkit.anatomy.surgery import Layer, carve_layer
from axkit.axformer.bench.feeds import Beside, same_attention
from axkit.axformer.bench.hidden import HiddenStates, Shelf
from axkit.axformer.bench.rehearsal import rehearsed
from axkit.axformer.kernels.bound import Kernels
from axkit.contract.subject import Subject
from axkit.tasks.split import Batch, Split

Run = Callable[[Batch], Tensor]  # a candidate's logits
Repair = Callable[[Layer, LayerStructure, LayerStructure], None]  # of a layer that was carved: from, to


class _EnoughError(Exception):
    """Ends a forward pass once what was wanted of it has been seen."""


def workbench(subject: Subject, split: Split, shelf: Shelf, rehearse: bool = True) -> Workbench:
    """Copy a model to try candidates on.

    Args:
        subject: left alone. Where the head reads the first token alone, so does the copy's last layer: exact, and
            cheaper. The copy computes as a later conversion will have it, where a pass of the trail rehearses one.
        split: rows to run.
        shelf: where the cached hidden states are kept.
        rehearse: False where the copy is timed, too: a rehearsal is slower than what it stands for.
    """
    own = rehearsed(subject) if rehearse else subject.copy()
    if own.reads_first_token_only:
        own.carve(replace(own.structure, first_token_only=True))
    own.module.eval().to(shelf.device.name)
    own.module.config.use_cache = False  # keys kept from one trial would be seen by the next
    return Workbench(own, split, shelf)


class Workbench:
    """A copy of a model whose layers can be tried one at a time, on fixed batches, with cached layer inputs.

    The hidden states at the input of layer i do not depend on anything the search changes at layers >= i, so they are
    computed once and kept. The copy carries its own kernels; they are in use while the workbench runs it.

    Args:
        subject: the copy, the workbench's own from here on (see ``workbench``); it is carved as candidates are
            accepted.
        split: rows to run.
        shelf: where the cached hidden states are kept.

    Attributes:
        repair: what is done to a layer that is tried or accepted, after it was carved; None: nothing.
    """

    def __init__(self, subject: Subject, split: Split, shelf: Shelf) -> None:
        self.subject, self.split, self.shelf = subject, split, shelf
        self.repair: Repair | None = None
        model, family = subject.module, subject.family
        self._modules: Any = model.base_model.get_submodule(family.layers)
        hidden = family.size(model.config, "hidden")
        self.head_size = hidden // subject.structure.n_heads
        above_first = [hidden] * (len(self._modules) - 1)
        self._hidden = HiddenStates(shelf, above_first, split.lengths)
        one_token = subject.structure.last if subject.structure.first_token_only else None
        self._beside = Beside(family, shelf, split.lengths, one_token)
        self._entry = Entry(model.base_model, family)
        self._kernels = Kernels()
        self._kernels.bind(model)

    def layer(self, index: int) -> Layer:
        """A layer of the copy, by role."""
        return Layer(index, self._modules[index], self.subject.family)

    def places(self, batch: Batch) -> Tensor:
        """Where each token of a batch is kept, (rows, tokens), by whatever keeps all tokens of the split."""
        return self._hidden.places(batch)

    def logits(self, batch: Batch, start: int) -> Tensor:
        """Logits of one batch, from the cached input of layer ``start`` on, float32."""
        with self._from(start, batch), torch.inference_mode(), self._kernels:
            return self.split.kind.logits(self.subject.module(**batch.inputs)).float()

    def refresh(self, batch: Batch, start: int) -> Tensor:
        """As ``logits``, and keep the input of every layer above ``start``."""
        places = self.places(batch)

        def keep(index: int) -> Any:
            def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
                self._hidden.put(index - 1, places, args[0])

            return hook

        # what a removed layer gets nobody asks for; past a last layer of one token it would be cut
        above = range(start + 1, len(self._modules))
        wanted = [index for index in above if not isinstance(self._modules[index], NoLayer)]
        # prepended: KeepFirst, where present, must not cut the input before it is kept
        handles = [self._modules[i].register_forward_pre_hook(keep(i), prepend=True) for i in wanted]
        if not start:
            handles += self._entry.find()
        for index in range(start, len(self._modules)):
            now = self.subject.structure.layers[index]
            handles += self._beside.watch(self.layer(index), now, places)
        try:
            return self.logits(batch, start)
        finally:
            for handle in handles:
                handle.remove()

    def seen_by(self, batch: Batch, layer: int, roles: Sequence[str]) -> dict[str, Tensor]:
        """What reaches the modules of some roles of a layer on one batch; nothing above the layer is computed.

        Args:
            batch: rows of the split.
            layer: index.
            roles: the last one that the layer runs must be the last of the list.
        """
        seen: dict[str, Tensor] = {}
        speaker = self.layer(layer)

        def look(role: str) -> Any:
            def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
                seen[role] = args[0].clone()
                if role == roles[-1]:
                    raise _EnoughError

            return hook

        handles = [getattr(speaker, role).register_forward_pre_hook(look(role)) for role in roles]
        try:
            with self._from(layer, batch), torch.inference_mode(), self._kernels:
                self.subject.module(**batch.inputs)
        except _EnoughError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return seen

    def _from(self, start: int, batch: Batch) -> Any:
        """A context in which the model begins at a layer."""
        if not start:
            return nullcontext()
        return self._entry.at(start, self._hidden.get(start - 1, self.places(batch)).to(self.subject.module.dtype))

    @contextmanager
    def softened(self) -> Iterator[None]:
        """Every layer with soft attention, for a while."""
        layers = self.subject.structure.layers
        cores: list[Any] = [self.layer(i).hard for i, layer in enumerate(layers) if layer.hard_k is not None]
        before = [core.axkit_topk for core in cores]
        for core in cores:
            core.axkit_topk = None
        try:
            yield
        finally:
            for core, k in zip(cores, before, strict=True):
                core.axkit_topk = k

    @contextmanager
    def swapped(self, layer: int, module: nn.Module) -> Iterator[None]:
        """Another module in a layer's place, for a while."""
        old = self._modules[layer]
        self._modules[layer] = module
        try:
            yield
        finally:
            self._modules[layer] = old

    @contextmanager
    def trying(self, layer: int, candidate: Structure) -> Iterator[Run]:
        """A layer in the shape that it has in ``candidate``, for a while.

        Yields:
            the candidate's logits, of a batch.
        """
        now, then = self.subject.structure.layers[layer], candidate.layers[layer]
        probe = self.carved(layer, candidate, self.repair)
        fed = self._beside.feed(Layer(layer, probe, self.subject.family), now, then)

        def run(batch: Batch) -> Tensor:
            if fed is not None:
                feed, kept = fed
                feed.value = kept.get(0, self.places(batch)).to(self.subject.module.dtype)
            return self.logits(batch, layer)

        with self.swapped(layer, probe):
            yield run

    def carved(self, layer: int, candidate: Structure, repair: Repair | None = None) -> nn.Module:
        """A copy of a layer with the shape that it has in ``candidate``; it shares the weights that are left whole.

        Args:
            layer: index.
            candidate: the shape.
            repair: what is done to it then; whoever only times or counts it needs none.
        """
        family, now = self.subject.family, self.subject.structure
        new = Layer(layer, twin(self._modules[layer]), family)
        before, after = now.layers[layer], candidate.layers[layer]
        carve_layer(new, family, before, after, self.head_size)
        if repair is not None:
            repair(new, before, after)
        self._kernels.bind(new.module)  # what carving has put there
        return new.module

    def accept(self, layer: int, candidate: Structure) -> None:
        """The copy's layer gets, and keeps, the shape that it has in ``candidate``."""
        self._modules[layer] = self.carved(layer, candidate, self.repair)
        if not same_attention(self.subject.structure.layers[layer], candidate.layers[layer]):
            self._beside.forget(layer)
        self.subject.structure = replace(candidate, first_token_only=self.subject.structure.first_token_only)


def twin(module: nn.Module) -> nn.Module:
    """A copy that shares its weights, and what was packed of them: carving puts others in their place, changes none."""
    return copy.deepcopy(module, {id(weight): weight for weight in module.parameters()})
