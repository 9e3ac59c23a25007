"""Run a model from one of its layers on, with one layer or block replaced: all that the greedy search asks of it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from axkit.anatomy.modules import NoLayer, PassOn
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, carve_layer
from axkit.axformer.bench.feeds import Beside, same_attention
from axkit.axformer.bench.hidden import HiddenStates, Shelf
from axkit.axformer.bench.rehearsal import rehearsed
from axkit.axformer.kernels.bound import Kernels
from axkit.contract.subject import Subject
from axkit.tasks.split import Batch, Split

Run = Callable[[Batch], Tensor]  # a candidate's logits


class _EnoughError(Exception):
    """Ends a forward pass once what was wanted of it has been seen."""


class Workbench:
    """A copy of a model whose layers can be tried one at a time, on fixed batches, with cached layer inputs.

    The hidden states at the input of layer i do not depend on anything the search changes at layers >= i, so they are
    computed once and kept.

    Args:
        subject: left alone; ``self.subject`` is the copy, carved as candidates are accepted. Where the head reads the
            first token alone, so does the copy's last layer: exact, and cheaper. It computes as a later conversion
            will have it, where a pass of the trail rehearses one.
        split: rows to run.
        shelf: where the cached hidden states are kept.
        rehearse: False where the copy is timed, too: a rehearsal is slower than what it stands for.
    """

    def __init__(self, subject: Subject, split: Split, shelf: Shelf, rehearse: bool = True) -> None:
        self.subject, self.shelf, self.split = rehearsed(subject) if rehearse else subject.copy(), shelf, split
        if self.subject.reads_first_token_only:
            self.subject.carve(replace(subject.structure, first_token_only=True))
        model, family = self.subject.module.eval(), self.subject.family
        model.config.use_cache = False  # keys kept from one trial would be seen by the next
        self._modules: Any = model.base_model.get_submodule(family.layers)
        for layer in {type(module) for module in self._modules if hasattr(module, "feed_forward_chunk")}:
            chunk: Any = layer.feed_forward_chunk  # transformers asks for its signature at every call of the layer,
            chunk.__signature__ = inspect.signature(chunk)  # and inspect looks here before it works it out
        hidden = family.size(model.config, "hidden")
        self._hidden = HiddenStates(shelf, [hidden] * (len(self._modules) - 1), split.lengths)  # above the first layer
        self.head_size = hidden // subject.structure.n_heads
        self._dtype, self._kernels = model.dtype, Kernels()
        one_token = subject.structure.last if self.subject.structure.first_token_only else None
        self._beside = Beside(family, shelf, split.lengths, one_token)
        self._placed: tuple[Batch, Tensor] | None = None  # of the last batch
        self._passed = WeakKeyDictionary[nn.Module, PassOn]()  # what stands for a layer that is not computed
        self._entrance: Any = None  # what gives the first layer its input, where that is a child of the base model

    def layer(self, index: int) -> Layer:
        """A layer of the copy, by role."""
        return Layer(index, self._modules[index], self.subject.family)

    def places(self, batch: Batch) -> Tensor:
        """Where each token of a batch is kept, (rows, tokens), by whatever keeps all tokens of the split."""
        if self._placed is None or self._placed[0] is not batch:
            self._placed = batch, self._hidden.places(batch)
        return self._placed[1]

    def logits(self, batch: Batch, start: int) -> Tensor:
        """Logits of one batch, from the cached input of layer ``start`` on, float32."""
        with self._from(start, batch), torch.inference_mode(), self._kernels:
            return self.split.kind.logits(self.subject.module(**batch.inputs)).float()

    def refresh(self, batch: Batch, start: int) -> Tensor:
        """As :meth:`logits`, and keep the input of every layer above ``start``."""
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
            handles += self._find_entrance()
        for index in range(start, len(self._modules)):
            now = self.subject.structure.layers[index]
            handles += self._beside.watch(self.layer(index), now, places)
        try:
            return self.logits(batch, start)
        finally:
            for handle in handles:
                handle.remove()

    def _find_entrance(self) -> Iterator[Any]:
        """Hooks that see which module around the layers gives the first one its input; the caller removes them."""
        given: dict[nn.Module, Any] = {}

        def note(child: nn.Module, _: Any, output: Any) -> None:
            given[child] = output

        def look(_: nn.Module, args: tuple[Any, ...]) -> None:
            found = [child for child, output in given.items() if output is args[0]]
            self._entrance = next((child for child in found if "forward" not in child.__dict__), None)

        yield from (child.register_forward_hook(note) for child in self.subject.module.base_model.children())
        yield self._modules[0].register_forward_pre_hook(look, prepend=True)

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

    @contextmanager
    def _from(self, start: int, batch: Batch) -> Iterator[None]:
        if not start:
            yield
            return
        before, entrance = [self._modules[i] for i in range(start)], self._entrance
        value = self._hidden.get(start - 1, self.places(batch)).to(self._dtype)
        family = self.subject.family
        for index, module in enumerate(before):
            stand_in = self._passed.get(module)
            if stand_in is None:
                stand_in = PassOn(module, family.layer_attributes, family.layer_returns_tuple)
                self._passed[module] = stand_in
            self._modules[index] = stand_in
        if entrance is not None:  # its attributes are left to whoever reads them
            entrance.forward = lambda *_, **__: value
        # given to the layer itself: what a family computes between two layers is in the cached input already
        handle = self._modules[start].register_forward_pre_hook(lambda _, args: (value, *args[1:]), prepend=True)
        try:
            yield
        finally:
            handle.remove()
            if entrance is not None:
                del entrance.forward
            for index, module in enumerate(before):
                self._modules[index] = module

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
        """A layer in the shape that it has in ``candidate``, for a while; what it leaves as it was is not computed.

        Yields:
            the candidate's logits, of a batch.
        """
        now, then = self.subject.structure.layers[layer], candidate.layers[layer]
        probe = self.carved(layer, candidate)
        fed = self._beside.feed(Layer(layer, probe, self.subject.family), now, then)

        def run(batch: Batch) -> Tensor:
            if fed is not None:
                feed, kept = fed
                feed.value = kept.get(0, self.places(batch)).to(self._dtype)
            return self.logits(batch, layer)

        with self.swapped(layer, probe):
            yield run

    def carved(self, layer: int, candidate: Structure) -> nn.Module:
        """A copy of a layer with the shape that it has in ``candidate``; it shares the weights that are left whole."""
        new = twin(self._modules[layer])
        family, now = self.subject.family, self.subject.structure
        carve_layer(Layer(layer, new, family), family, now.layers[layer], candidate.layers[layer], self.head_size)
        return new

    def accept(self, layer: int, candidate: Structure) -> None:
        """The copy's layer gets, and keeps, the shape that it has in ``candidate``."""
        self._modules[layer] = self.carved(layer, candidate)
        if not same_attention(self.subject.structure.layers[layer], candidate.layers[layer]):
            self._beside.forget(layer)
        self.subject.structure = replace(candidate, first_token_only=self.subject.structure.first_token_only)


def twin(module: nn.Module) -> nn.Module:
    """A copy that shares its weights: carving puts others in their place and changes none."""
    return copy.deepcopy(module, {id(weight): weight for weight in module.parameters()})
