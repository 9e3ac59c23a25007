"""One block of one layer, opened into a sum of its parts, so that a candidate without some of them costs little."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.surgery import Layer, matrix
from axkit.axformer.bench.feeds import BlockName, Feed, put_feed
from axkit.axformer.bench.hidden import HiddenStates
from axkit.axformer.bench.workbench import Workbench, twin
from axkit.tasks.split import Batch

_TERMS, _TOTAL, _BESIDE = range(3)  # what is kept of each token


def opened(bench: Workbench, layer: int, name: BlockName, batches: Iterable[Batch]) -> OpenBlock:
    """Run a layer on all rows that will be asked for, and keep what the parts of one of its blocks add.

    Args:
        bench: the workbench.
        layer: index.
        name: which block. For ``ffn`` the layer's attention is not computed again either.
        batches: rows of the split, all that will be asked for.
    """
    structure, speaker = bench.subject.structure, bench.layer(layer)
    beside = name == "ffn" and structure.layers[layer].attention
    out: Any = speaker.attention_out if name == "attention" else speaker.ffn_out
    attention_out: Any = speaker.attention_out if beside else None
    roles = [*(["attention_out"] if name == "attention" or beside else []), *(["ffn_out"] if name == "ffn" else [])]
    weight = matrix(out).detach().float()
    hidden, width = weight.shape
    alone = structure.first_token_only and layer == structure.last
    kept = HiddenStates(bench.shelf.rest(), (width, hidden, hidden), bench.split.lengths, alone)
    for batch in batches:
        seen, places = bench.seen_by(batch, layer, roles), kept.places(batch)
        with torch.inference_mode():
            kept.put(_TERMS, places, seen[roles[-1]])
            kept.put(_TOTAL, places, out(seen[roles[-1]]))
            if beside:  # what the attention block adds; its norm runs again
                kept.put(_BESIDE, places, attention_out(seen["attention_out"]))
    return OpenBlock(
        bench, layer, _probe(bench, layer, name, beside), Parts(kept, weight, _columns(bench, layer, name))
    )


def _columns(bench: Workbench, layer: int, name: BlockName) -> dict[int, range]:
    """Which columns of the output projection belong to a head or neuron, by its index in the dense model."""
    now = bench.subject.structure.layers[layer]
    present, each = (now.heads, bench.head_size) if name == "attention" else (now.neurons, 1)
    return {part: range(p * each, (p + 1) * each) for p, part in enumerate(present)}


def _probe(bench: Workbench, index: int, name: BlockName, beside: bool) -> _Probe:
    """A copy of the layer whose block, and what comes before it, is replaced by feeds."""
    family = bench.subject.family
    layer = Layer(index, twin(bench.layer(index).module), family)
    feed = put_feed(layer, family, name)
    return _Probe(layer.module, feed, put_feed(layer, family, "attention") if beside else None)


@dataclass(frozen=True)
class _Probe:
    """A layer that is told what its block adds to the residual stream, and what its attention does."""

    module: nn.Module
    feed: Feed
    before: Feed | None


@dataclass(frozen=True)
class Parts:
    """What the parts of a block add: out = sum over columns of (what enters the output projection) x weight.

    Attributes:
        kept: of each token what enters the projection, what comes out, and what the attention before it adds.
        weight: of the projection, (hidden, columns).
        columns: of each part, by its index in the dense model.
    """

    kept: HiddenStates
    weight: Tensor
    columns: dict[int, range]

    def without(self, places: Tensor, part: Sequence[int]) -> Tensor:
        """What the block adds without these heads or neurons, (rows, tokens, hidden): one thin product."""
        columns = [column for index in part for column in self.columns[index]]
        span = slice(columns[0], columns[-1] + 1)
        if len(columns) != span.stop - span.start:
            raise ValueError("the columns of a part stand side by side")
        with torch.inference_mode():
            gone = self.kept.get(_TERMS, places, span) @ self.weight[:, span].T
            left: Tensor = self.kept.get(_TOTAL, places) - gone
        return left

    def beside(self, places: Tensor) -> Tensor:
        """What the attention before a feed-forward block adds, (rows, tokens, hidden)."""
        return self.kept.get(_BESIDE, places)

    def drop(self, batches: Iterable[Batch], part: Sequence[int]) -> None:
        """Leave these heads or neurons out of these batches from now on."""
        for batch in batches:
            places = self.kept.places(batch)
            self.kept.put(_TOTAL, places, self.without(places, part))


class OpenBlock:
    """One block of one layer as a sum of its parts (see ``opened``).

    A candidate without some columns costs one thin matrix product and the layers above, not the block again. In the
    model the block is replaced by a feed.

    Args:
        bench: the workbench.
        index: of the layer.
        probe: the layer with feeds.
        parts: of the block.
    """

    def __init__(self, bench: Workbench, index: int, probe: _Probe, parts: Parts) -> None:
        self._bench, self._index, self._probe, self.parts = bench, index, probe, parts

    def logits(self, batch: Batch, part: Sequence[int]) -> Tensor:
        """Logits of one batch without some heads or neurons, named by their index in the dense model."""
        places, dtype = self.parts.kept.places(batch), self._bench.subject.module.dtype
        self._probe.feed.value = self.parts.without(places, part).to(dtype)
        if self._probe.before is not None:
            self._probe.before.value = self.parts.beside(places).to(dtype)
        with self._bench.swapped(self._index, self._probe.module):
            return self._bench.logits(batch, self._index)
