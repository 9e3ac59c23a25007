"""What blocks do with unlabelled rows: what enters their output projections, and the residual stream after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
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
Block = tuple[int, What]
"""A layer by its index in the dense model, and a block of it."""
BLOCKS: tuple[What, ...] = ("attention", "ffn")
"""Both, in the order in which a layer computes them."""


class EnoughError(Exception):
    """Nothing above the block at hand need be computed."""


@dataclass(frozen=True)
class Seen:
    """What one block did with a batch, real tokens only, in float32 at least.

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
        more = copy(self)
        more.rows, later = min(rows, len(self.split)), self.split.first(rows)
        more.batches = [*self.batches, *later.batches(self._size, len(self.split.first(self.rows)))]
        return more

    def look(self, subject: Subject, layer: int, what: What) -> Iterator[Seen]:
        """What a block does, batch by batch, in the same order for every model of the same tokens."""
        speaker = layer_of(subject, layer)
        for batch in self.batches:
            yield seen_of(subject, [(speaker, what)], batch)[layer, what]

    def look_at_all(self, subject: Subject, tell: Callable[[Block, Seen], None]) -> None:
        """As ``look``, of every block that has parts left, in one pass.

        Args:
            subject: whose.
            tell: told of each block as the model comes to it, batch by batch, so that one block's values are there at a
                time; of a shared layer in each turn.
        """
        there = [(layer, what) for layer in subject.layers for what in BLOCKS if has_parts(subject, layer.index, what)]
        for batch in self.batches:
            watch(subject, there, batch, tell)


def layer_of(subject: Subject, index: int) -> Layer:
    """A layer by its index in the dense model."""
    return next(layer for layer in subject.layers if layer.index == index)


def parts(layer: LayerStructure, what: What) -> tuple[int, ...]:
    """The heads or neurons of a layer that are left, by their index in the dense model."""
    return layer.heads if what == "attention" else layer.neurons


def has_parts(subject: Subject, layer: int, what: What) -> bool:
    """Whether a block has heads, or neurons, left."""
    return bool(parts(subject.structure.layers[layer], what))


def adds(subject: Subject, layer: int, what: What) -> bool:
    """Whether a block adds anything that a refit can change: what its parts give, or a bias where all of them went."""
    there = subject.structure.layers[layer]
    if not (there.attention if what == "attention" else there.ffn):
        return False
    return has_parts(subject, layer, what) or getattr(layer_of(subject, layer), f"{what}_out").bias is not None


def part_width(subject: Subject, what: What) -> int:
    """Inputs of the output projection that one head, or one neuron, has."""
    hidden = subject.family.size(subject.module.config, "hidden")
    return hidden // subject.structure.n_heads if what == "attention" else 1


def seen_of(
    subject: Subject, blocks: Sequence[tuple[Layer, What]], batch: Batch, stops: bool = True
) -> dict[Block, Seen]:
    """What some blocks do with a batch; of a shared layer all its turns, one after the other. As of ``watch``."""
    found: dict[Block, list[Seen]] = {(layer.index, what): [] for layer, what in blocks}
    watch(subject, blocks, batch, lambda block, seen: found[block].append(seen), stops)
    return {block: turns[0] if len(turns) == 1 else _joined(turns) for block, turns in found.items()}


def _joined(turns: Sequence[Seen]) -> Seen:
    return Seen(*(torch.cat([getattr(one, part) for one in turns]) for part in ("inputs", "outputs", "sums")))


def watch(
    subject: Subject,
    blocks: Sequence[tuple[Layer, What]],
    batch: Batch,
    tell: Callable[[Block, Seen], None],
    stops: bool = True,
) -> None:
    """Run a batch, and tell what some blocks do with it; what comes after the last of them is not computed.

    Args:
        subject: the model.
        blocks: (layer, block), in the order in which the model computes them.
        batch: rows.
        tell: told of each block as the model comes to it; of a shared layer in each turn.
        stops: whether it ends there; not where the caller looks at what comes after (``entering``).
    """
    last = None if subject.family.shared_layers or not (blocks and stops) else blocks[-1]
    batch, handles = batch.on(device_of(subject.module)), []
    mask = batch.inputs.get("attention_mask")
    for layer, what in blocks:
        mine = _Watched(partial(tell, (layer.index, what)), mask, (layer, what) == last)
        handles.append(getattr(layer, f"{what}_out").register_forward_hook(mine.projected))
        handles.append(_after_sum(subject, layer, what, mine.summed))
    try:
        with torch.inference_mode():
            subject.module(**batch.inputs)
    except EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()


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


class _Watched:
    """The hooks of one block."""

    def __init__(self, tell: Callable[[Seen], None], mask: Tensor | None, enough: bool) -> None:
        self._tell, self._mask, self._enough = tell, mask, enough
        self._projected: tuple[Tensor, Tensor] | None = None

    def projected(self, _: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        """A forward hook of the output projection."""
        self._projected = args[0], output

    def summed(self, value: Tensor) -> None:
        """The residual stream has got what the block adds."""
        assert self._projected is not None, "projected before it is added"
        seen, self._projected = (*self._projected, value), None
        self._tell(Seen(*(_tokens(one, self._mask) for one in seen)))
        if self._enough:
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
    values = values.to(torch.promote_types(values.dtype, torch.float32))  # sums of products in 16 bits are none
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
