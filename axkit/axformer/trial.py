"""Run a model from one of its layers on, with one layer or block replaced: all that the greedy search asks of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import STAND_INS, PassOn
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import Layer, carve_layer, matrix
from axkit.subject import Subject
from axkit.tasks.split import Batch

BlockName = Literal["attention", "ffn"]
LossFunction = Callable[[Any, Tensor], Tensor]


class _Feed(nn.Module):
    """Gives what it was told, whatever comes in."""

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.value: Tensor | None = None
        self.pair = pair  # attention cores return (output, probabilities)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
        return (self.value, None) if self.pair else self.value


class _EnoughError(Exception):
    """Ends a forward pass once what was wanted of it has been seen."""


class Workbench:
    """A copy of a model whose layers can be tried one at a time, on fixed batches, with cached layer inputs.

    The hidden states at the input of layer i do not depend on anything the search changes at layers >= i, so they are
    computed once and kept (``layers x rows x tokens x hidden`` float32).

    Args:
        subject: left alone; ``self.subject`` is the copy, carved as candidates are accepted. Where the head reads the
            first token alone, so does the copy's last layer: exact, and cheaper.
        batches: of the search split; the same for the whole search, so that ties stay ties.
        losses: a model's output and labels to one loss per row.
    """

    def __init__(self, subject: Subject, batches: Sequence[Batch], losses: LossFunction) -> None:
        self.subject, self.batches, self._losses = subject.copy(), batches, losses
        if self.subject.reads_first_token_only:
            self.subject.carve(replace(subject.structure, first_token_only=True))
        model, family = self.subject.module.eval(), self.subject.family
        self._modules: Any = model.base_model.get_submodule(family.layers)
        self._inputs: list[list[Tensor]] = [[] for _ in range(len(self._modules))]
        self.head_size = family.size(model.config, "hidden") // subject.structure.n_heads

    def layer(self, index: int) -> Layer:
        """A layer of the copy, by role."""
        return Layer(index, self._modules[index], self.subject.family)

    def losses(self, batch: int, start: int) -> Tensor:
        """Losses of one batch, from the cached input of layer ``start`` on: (rows,)."""
        data = self.batches[batch]
        with self._from(start, batch), torch.inference_mode():
            return self._losses(self.subject.module(**data.inputs), data.labels)

    def refresh(self, batch: int, start: int) -> Tensor:
        """As :meth:`losses`, and keep the input of every layer above ``start`` (of all layers, where it is 0)."""

        def keep(index: int) -> Any:
            def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
                self._inputs[index][batch : batch + 1] = [args[0].clone()]  # a slice: appends where the list ends here

            return hook

        wanted = range(start + 1 if start else 0, len(self._modules))
        # prepended: KeepFirst, where present, must not cut the input before it is kept
        handles = [self._modules[i].register_forward_pre_hook(keep(i), prepend=True) for i in wanted]
        try:
            return self.losses(batch, start)
        finally:
            for handle in handles:
                handle.remove()

    def seen_by(self, batch: int, layer: int, roles: Sequence[str]) -> dict[str, Tensor]:
        """What reaches the modules of some roles of a layer on one batch; nothing above the layer is computed.

        Args:
            batch: index.
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
            with self._from(layer, batch), torch.inference_mode():
                self.subject.module(**self.batches[batch].inputs)
        except _EnoughError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return seen

    @contextmanager
    def _from(self, start: int, batch: int) -> Iterator[None]:
        if not start or len(self._inputs[start]) <= batch:
            yield
            return
        before = [self._modules[i] for i in range(start)]
        value = self._inputs[start][batch]
        family = self.subject.family
        for index, module in enumerate(before):
            self._modules[index] = PassOn(module, family.layer_attributes, family.layer_returns_tuple)
        # given to the layer itself: what a family computes between two layers is in the cached input already
        handle = self._modules[start].register_forward_pre_hook(lambda _, args: (value, *args[1:]), prepend=True)
        try:
            yield
        finally:
            handle.remove()
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

    def carved(self, layer: int, candidate: Structure) -> nn.Module:
        """A copy of a layer with the shape that it has in ``candidate``."""
        new: nn.Module = copy.deepcopy(self._modules[layer])
        family, now = self.subject.family, self.subject.structure
        carve_layer(Layer(layer, new, family), family, now.layers[layer], candidate.layers[layer], self.head_size)
        return new

    def accept(self, layer: int, candidate: Structure) -> None:
        """The copy's layer gets, and keeps, the shape that it has in ``candidate``."""
        self._modules[layer] = self.carved(layer, candidate)
        self.subject.structure = replace(candidate, first_token_only=self.subject.structure.first_token_only)


class OpenBlock:
    """One block of one layer as a sum of its parts: out = sum over columns of (what enters the output projection).

    A candidate without some columns costs one thin matrix product and the layers above, not the block again. In the
    model the block is replaced by a feed.

    Args:
        bench: the workbench.
        layer: index.
        name: which block. For ``ffn`` the layer's attention is not computed again either.
    """

    def __init__(self, bench: Workbench, layer: int, name: BlockName) -> None:
        self.bench, self.index = bench, layer
        speaker = bench.layer(layer)
        out: Any = getattr(speaker, "attention_out" if name == "attention" else "ffn_out")
        self._weight = matrix(out).detach()
        beside = name == "ffn" and bench.subject.structure.layers[layer].attention
        roles = [*(["attention_out"] if name == "attention" or beside else []), *(["ffn_out"] if name == "ffn" else [])]
        self._terms: list[Tensor] = []
        self._totals: list[Tensor] = []
        self._entering: list[Tensor] = []
        attention_out: Any = speaker.attention_out if beside else None
        for batch in range(len(bench.batches)):
            seen = bench.seen_by(batch, layer, roles)
            self._terms.append(seen[roles[-1]])
            with torch.inference_mode():
                self._totals.append(out(seen[roles[-1]]))
                if beside:
                    self._entering.append(attention_out(seen["attention_out"]))
        self._probe, self._feed, self._before = self._make_probe(name, beside)

    def _make_probe(self, name: BlockName, beside: bool) -> tuple[nn.Module, _Feed, _Feed | None]:
        """A copy of the layer whose block, and what comes before it, is replaced by feeds."""
        family = self.bench.subject.family
        probe = copy.deepcopy(self.bench.layer(self.index).module)
        layer = Layer(self.index, probe, family)
        feed = _put_feed(layer, family, name)
        return probe, feed, _put_feed(layer, family, "attention") if beside else None

    def losses(self, batch: int, columns: Sequence[int]) -> Tensor:
        """Losses of one batch without some columns of the output projection."""
        self._feed.value = self._without(batch, columns)
        if self._before is not None:
            self._before.value = self._entering[batch]  # what the attention block adds; its norm runs again
        with self.bench.swapped(self.index, self._probe):
            return self.bench.losses(batch, self.index)

    def _without(self, batch: int, columns: Sequence[int]) -> Tensor:
        span = slice(columns[0], columns[-1] + 1)
        if len(columns) != span.stop - span.start:
            raise ValueError("the columns of a part stand side by side")
        with torch.inference_mode():
            left: Tensor = self._totals[batch] - self._terms[batch][..., span] @ self._weight[:, span].T
        return left

    def drop(self, columns: Sequence[int]) -> None:
        """Leave these columns out from now on."""
        self._totals = [self._without(batch, columns) for batch in range(len(self._totals))]


def _put_feed(layer: Layer, family: Family, name: BlockName) -> _Feed:
    """Replace a block by a feed of what it adds to the residual stream."""
    feed = _Feed(pair=name == "attention")
    for path, kind in (family.removed.attention if name == "attention" else family.removed.ffn).items():
        layer.put(path, STAND_INS[kind]() if kind == "identity" else feed)
    return feed
