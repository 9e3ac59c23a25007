"""One block of one layer, opened into a sum of its parts, so that a candidate without some of them costs little."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from axkit.anatomy.surgery import Layer, matrix
from axkit.axformer.bench.feeds import BlockName, Feed, put_feed
from axkit.axformer.bench.hidden import HiddenStates
from axkit.axformer.bench.workbench import Workbench, twin
from axkit.tasks.split import Batch

_TERMS, _TOTAL, _BESIDE = range(3)  # what is kept of each token


class OpenBlock:
    """One block of one layer as a sum of its parts: out = sum over columns of (what enters the output projection).

    A candidate without some columns costs one thin matrix product and the layers above, not the block again. In the
    model the block is replaced by a feed.

    Args:
        bench: the workbench.
        layer: index.
        name: which block. For ``ffn`` the layer's attention is not computed again either.
        batches: rows of the split, all that will be asked for.
    """

    def __init__(self, bench: Workbench, layer: int, name: BlockName, batches: Iterable[Batch]) -> None:
        self.bench, self.index = bench, layer
        structure = bench.subject.structure
        now = structure.layers[layer]
        present, each = (now.heads, bench.head_size) if name == "attention" else (now.neurons, 1)
        self._columns = {part: range(p * each, (p + 1) * each) for p, part in enumerate(present)}
        speaker = bench.layer(layer)
        out: Any = getattr(speaker, "attention_out" if name == "attention" else "ffn_out")
        self._weight, self._dtype = matrix(out).detach().float(), out.weight.dtype
        hidden, width = self._weight.shape
        alone = structure.first_token_only and layer == structure.last
        self._kept = HiddenStates(bench.shelf.rest(), (width, hidden, hidden), bench.split.lengths, alone)
        self._places = self._kept.places if alone else bench.places  # the same, and known already
        beside = name == "ffn" and now.attention
        attention_out: Any = speaker.attention_out if beside else None
        roles = [*(["attention_out"] if name == "attention" or beside else []), *(["ffn_out"] if name == "ffn" else [])]
        for batch in batches:
            seen, places = bench.seen_by(batch, layer, roles), self._places(batch)
            with torch.inference_mode():
                self._kept.put(_TERMS, places, seen[roles[-1]])
                self._kept.put(_TOTAL, places, out(seen[roles[-1]]))
                if beside:  # what the attention block adds; its norm runs again
                    self._kept.put(_BESIDE, places, attention_out(seen["attention_out"]))
        self._probe, self._feed, self._before = self._make_probe(name, beside)

    def _make_probe(self, name: BlockName, beside: bool) -> tuple[nn.Module, Feed, Feed | None]:
        """A copy of the layer whose block, and what comes before it, is replaced by feeds."""
        family = self.bench.subject.family
        probe = twin(self.bench.layer(self.index).module)
        layer = Layer(self.index, probe, family)
        feed = put_feed(layer, family, name)
        return probe, feed, put_feed(layer, family, "attention") if beside else None

    def logits(self, batch: Batch, part: Sequence[int]) -> Tensor:
        """Logits of one batch without some heads or neurons, named by their index in the dense model."""
        places = self._places(batch)
        self._feed.value = self._without(places, part).to(self._dtype)
        if self._before is not None:
            self._before.value = self._kept.get(_BESIDE, places).to(self._dtype)
        with self.bench.swapped(self.index, self._probe):
            return self.bench.logits(batch, self.index)

    def _without(self, places: Tensor, part: Sequence[int]) -> Tensor:
        columns = [column for index in part for column in self._columns[index]]
        span = slice(columns[0], columns[-1] + 1)
        if len(columns) != span.stop - span.start:
            raise ValueError("the columns of a part stand side by side")
        with torch.inference_mode():
            gone = self._kept.get(_TERMS, places, span) @ self._weight[:, span].T
            left: Tensor = self._kept.get(_TOTAL, places) - gone
        return left

    def drop(self, batches: Iterable[Batch], part: Sequence[int]) -> None:
        """Leave these heads or neurons out of these batches from now on."""
        for batch in batches:
            places = self._places(batch)
            self._kept.put(_TOTAL, places, self._without(places, part))
