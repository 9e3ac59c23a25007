"""Feeds: modules that give what was seen earlier instead of computing it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn

from axkit.anatomy.family import Family
from axkit.anatomy.modules import STAND_INS
from axkit.anatomy.structure import LayerStructure
from axkit.anatomy.surgery import Layer
from axkit.axformer.bench.hidden import HiddenStates, Shelf

BlockName = Literal["attention", "ffn"]


class Feed(nn.Module):
    """Gives what it was told, whatever comes in."""

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.value: Tensor | None = None
        self.pair = pair  # attention cores return (output, probabilities)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
        """The value, or (value, None)."""
        return (self.value, None) if self.pair else self.value


def put_feed(layer: Layer, family: Family, name: BlockName) -> Feed:
    """Replace a block by a feed of what it adds to the residual stream."""
    feed = Feed(pair=name == "attention")
    for path, kind in (family.removed.attention if name == "attention" else family.removed.ffn).items():
        layer.put(path, STAND_INS[kind]() if kind == "identity" else feed)
    return feed


class Beside:
    """What each layer's attention adds, kept while the model runs: a candidate that leaves it alone is fed with it.

    Args:
        family: one whose layer is computed many times is left out.
        shelf: only as long as half of its memory stays free: this saves some of the work, layer inputs save most.
        lengths: tokens of each row, (rows,).
        skip: index of a layer that computes the first token alone; None if there is none.
    """

    def __init__(self, family: Family, shelf: Shelf, lengths: Any, skip: int | None) -> None:
        self._family, self._shelf, self._lengths, self._skip = family, shelf, lengths, skip
        self._kept: dict[int, HiddenStates | None] = {}  # None: no room
        self._stale: set[int] = set()

    def watch(self, layer: Layer, now: LayerStructure, places: Tensor) -> Iterator[Any]:
        """A hook that keeps what a layer's attention adds on one batch; the caller removes it.

        Args:
            layer: of the model that runs.
            now: its shape.
            places: where each token of the batch is kept, (rows, tokens).
        """
        if self._family.shared_layers or layer.index == self._skip or not (now.present and now.attention and now.heads):
            return
        self._stale.discard(layer.index)
        out = layer.attention_out

        def keep(_: nn.Module, __: Any, added: Tensor) -> None:
            if layer.index not in self._kept:
                width = added.shape[-1]
                room = self._shelf.spares(len(self._lengths), int(self._lengths.sum()), width)
                self._kept[layer.index] = HiddenStates(self._shelf, [width], self._lengths) if room else None
            kept = self._kept[layer.index]
            if kept is not None:
                kept.put(0, places, added)

        yield out.register_forward_hook(keep)

    def forget(self, index: int) -> None:
        """The attention of a layer is another one now; until it is watched again nothing is known of it."""
        self._stale.add(index)

    def feed(self, layer: Layer, now: LayerStructure, then: LayerStructure) -> tuple[Feed, HiddenStates] | None:
        """Put a feed in the place of a candidate's attention, where that is the model's.

        Args:
            layer: the candidate, changed in place.
            now: shape of that layer in the model.
            then: its own shape.

        Returns:
            the feed, and what to tell it; None where the attention has to be computed.
        """
        kept = self._kept.get(layer.index)
        if kept is None or layer.index in self._stale or not same_attention(now, then):
            return None
        return put_feed(layer, self._family, "attention"), kept


def same_attention(one: LayerStructure, other: LayerStructure) -> bool:
    """Whether two shapes of a layer differ in their feed-forward blocks at most."""
    return replace(one, neurons=other.neurons, ffn=other.ffn) == other
