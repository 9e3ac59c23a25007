"""What blocks do with unlabelled rows: what enters their output projections, and the residual stream after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from axkit.anatomy.structure import LayerStructure
from axkit.anatomy.surgery import Layer
from axkit.contract.subject import Subject
from axkit.ground.device import device_of
from axkit.tasks.split import Batch, Split

What = Literal["attention", "ffn"]
"""A block of a layer."""
BLOCKS: tuple[What, ...] = ("attention", "ffn")
"""Both, in the order in which a layer computes them."""


class EnoughError(Exception):
    """Nothing above the block at hand need be computed."""


@dataclass(frozen=True)
class Seen:
    """What one block did with a batch, real tokens only; of a shared layer all its turns, one after the other.

    Attributes:
        inputs: of its output projection, (tokens, inputs).
        outputs: (tokens, hidden).
        sums: the residual stream with them added, (tokens, hidden).
    """

    inputs: Tensor
    outputs: Tensor
    sums: Tensor


class Calibration:
    """Rows to look at blocks on; their labels are not used.

    Args:
        split: whose first rows are taken, which are a random part of it; of train, as search decides.
        rows: at most.
        size: rows per batch.

    Attributes:
        split: that they are of.
        rows: how many there are.
        batches: of them.
    """

    def __init__(self, split: Split, rows: int, size: int = 32) -> None:
        self.split, self.rows, self._size = split, min(rows, len(split)), size
        self.batches: list[Batch] = list(split.first(rows).batches(size))

    def larger(self, rows: int) -> Calibration:
        """So many of the same split's rows, or as many as it has, these first; itself where it has them already."""
        if rows <= self.rows:
            return self
        more = Calibration(self.split, rows, self._size)
        more.batches = [*self.batches, *self.split.first(rows).batches(self._size, len(self.split.first(self.rows)))]
        return more

    def look(self, subject: Subject, layer: int, what: What) -> Iterator[Seen]:
        """What a block does, batch by batch, in the same order for every model of the same tokens."""
        speaker = layer_of(subject, layer)
        for batch in self.batches:
            yield seen_of(subject, [(speaker, what)], batch)[layer, what]

    def look_at_all(self, subject: Subject) -> Iterator[dict[tuple[int, What], Seen]]:
        """As ``look``, of every block that has parts left, in one pass: (layer, block) -> what it does."""
        there = [(layer, what) for layer in subject.layers for what in BLOCKS if has_parts(subject, layer.index, what)]
        for batch in self.batches:
            yield seen_of(subject, there, batch)


def layer_of(subject: Subject, index: int) -> Layer:
    """A layer by its index in the dense model."""
    return next(layer for layer in subject.layers if layer.index == index)


def parts(layer: LayerStructure, what: What) -> tuple[int, ...]:
    """The heads or neurons of a layer that are left, by their index in the dense model."""
    return layer.heads if what == "attention" else layer.neurons


def has_parts(subject: Subject, layer: int, what: What) -> bool:
    """Whether a block has heads, or neurons, left."""
    return bool(parts(subject.structure.layers[layer], what))


def part_width(subject: Subject, what: What) -> int:
    """Inputs of the output projection that one head, or one neuron, has."""
    hidden = subject.family.size(subject.module.config, "hidden")
    return hidden // subject.structure.n_heads if what == "attention" else 1


def seen_of(
    subject: Subject, blocks: Sequence[tuple[Layer, What]], batch: Batch, stops: bool = True
) -> dict[tuple[int, What], Seen]:
    """What some blocks do with a batch; what comes after the last of them is not computed.

    Args:
        subject: the model.
        blocks: (layer, block), in the order in which the model computes them.
        batch: rows.
        stops: whether it ends there; not where the caller looks at what comes after (``entering``).
    """
    found: dict[tuple[int, What], _Found] = {(layer.index, what): _Found() for layer, what in blocks}
    last = None if subject.family.shared_layers or not (blocks and stops) else found[blocks[-1][0].index, blocks[-1][1]]
    handles = []
    for layer, what in blocks:
        mine = found[layer.index, what]
        handles.append(getattr(layer, f"{what}_out").register_forward_hook(mine.projected))
        handles.append(_after_sum(subject, layer, what, partial(_summed, mine, mine is last)))
    batch = batch.on(device_of(subject.module))
    try:
        with torch.inference_mode():
            subject.module(**batch.inputs)
    except EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    mask = batch.inputs.get("attention_mask")
    return {block: one.whole(mask) for block, one in found.items()}


@contextmanager
def entering(layer: Layer | None) -> Iterator[list[Tensor]]:
    """What enters a layer, (rows, tokens, hidden), when ``seen_of`` comes to it; it ends there, but of None nowhere."""
    found: list[Tensor] = []

    def keep(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        found.append(args[0])
        raise EnoughError

    handle = None if layer is None else layer.module.register_forward_pre_hook(keep, prepend=True)
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


class _Found:
    """What the hooks of one block saw; of a shared layer in all its turns."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.sums: list[Tensor] = []

    def projected(self, _: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        """A forward hook of the output projection."""
        self.inputs.append(args[0])
        self.outputs.append(output)

    def whole(self, mask: Tensor | None) -> Seen:
        """Of real tokens, one after the other."""
        parts = (self.inputs, self.outputs, self.sums)
        return Seen(*(torch.cat([_tokens(each, mask) for each in part]) for part in parts))


def _summed(found: _Found, enough: bool, value: Tensor) -> None:
    found.sums.append(value)
    if enough:
        raise EnoughError


def _after_sum(subject: Subject, layer: Layer, what: What, tell: Callable[[Tensor], None]) -> RemovableHandle:
    """A hook where the residual stream has got what a block adds: before the norm of the block, or of the next."""

    def before(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        tell(args[0])

    def after(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        tell(output[0] if isinstance(output, tuple) else output)

    if not subject.family.pre_norm:
        norm: nn.Module = getattr(layer, f"{what}_norm")
        return norm.register_forward_pre_hook(before)
    if what == "attention":
        return layer.ffn_norm.register_forward_pre_hook(before)
    return layer.module.register_forward_hook(after)


def _tokens(values: Tensor, mask: Tensor | None) -> Tensor:
    """(rows, tokens, width) -> (real tokens, width); the one token of a layer that computes no other is real."""
    if mask is None or mask.shape[1] != values.shape[1]:
        return values.flatten(0, -2)
    return values[mask.bool()]


def last_output(subject: Subject, batch: Batch) -> Tensor:
    """What the last layer that is there gives back, (real tokens, hidden)."""
    found: list[Tensor] = []
    batch = batch.on(device_of(subject.module))

    def look(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)

    handle = subject.layers[-1].module.register_forward_hook(look)
    try:
        with torch.inference_mode():
            subject.module(**batch.inputs)
    finally:
        handle.remove()
    return _tokens(found[-1], batch.inputs.get("attention_mask"))
