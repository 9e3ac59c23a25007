"""Which rows of a search are run first, and in which batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from torch import Tensor

from axkit.axformer.arrays import Floats, Rows
from axkit.ground.device import CPU, Device
from axkit.tasks.split import Batch, Split

_BATCH_TOKENS = 40  # what a batch costs whatever is in it, in tokens computed; seen on small encoders
# on a device: launches cost what thousands of tokens do, and what a batch may hold goes by its tokens; reckoned for
# encoders of BERT's size in float32, not measured
_DEVICE_BATCH_TOKENS, _DEVICE_TOKENS, _DEVICE_ROWS = 2048, 16384, 512


class Order:
    """Rows in batches, the hard ones first.

    Args:
        split: of the search.
        mine: its rows that this process runs.
        size: rows per batch, at most.
        cuts: token counts that no batch straddles.
        device: where batches are to be; on another than the CPU their size goes by their tokens.

    Attributes:
        mine: as given.
        dense: losses of the dense model, per row of the split; 0 as long as nobody has said.
    """

    def __init__(self, split: Split, mine: Rows, size: int, cuts: Sequence[int], device: Device = CPU) -> None:
        self._lengths, self.mine = split.lengths, mine
        self._limits = Limits(size, cuts) if device.is_cpu else on_device(cuts)
        self._padded = Padded(split, device)
        self.dense: Floats = np.zeros(len(split))

    def tiers(self, wanted: Rows) -> list[list[Batch]]:
        """Of the rows that are wanted, (rows of the split,) bool: the hardest ones first."""
        rows = self.mine[wanted[self.mine]]
        tiers = hard_first(self.dense[rows], self._lengths[rows], self._limits)
        return [[self._padded.batch(rows[part]) for part in tier] for tier in tiers]

    def hard_first(self, wanted: Rows) -> list[Batch]:
        """As ``tiers``, one after the other."""
        return list(chain(*self.tiers(wanted)))

    def short_first(self, wanted: Rows) -> list[Batch]:
        """For votes, which all count alike: the cheap ones first."""
        rows = self.mine[wanted[self.mine]]
        rows = rows[np.argsort(self._lengths[rows], kind="stable")]
        spans = cheapest_batches(self._lengths[rows], self._limits)
        return [self._padded.batch(rows[start:stop]) for start, stop in spans]


class Padded:
    """The examples of a split, padded once, so that a batch of any of them costs a copy.

    Args:
        split: where its examples are not sequences (images), it makes the batches itself.
        device: where they are kept, and where batches are.
    """

    def __init__(self, split: Split, device: Device = CPU) -> None:
        self._split, self._device = split, device
        self._inputs, self._left = dict[str, Tensor](), False
        if len(split) and "attention_mask" in split.batch([0]).inputs:
            every = split.batch(range(len(split)))
            self._left = not bool(every.inputs["attention_mask"][:, 0].all())
            self._inputs = every.on(device).inputs

    def batch(self, rows: Any) -> Batch:
        """As ``Split.batch``."""
        if not self._inputs:
            return self._split.batch(rows).on(self._device)
        wanted = np.array(rows, dtype=int)
        width = int(self._split.lengths[wanted].max())
        columns = slice(-width, None) if self._left else slice(width)
        inputs = {name: values[wanted][:, columns].contiguous() for name, values in self._inputs.items()}
        return Batch(inputs, self._split.kind.feed.collate(self._split.labels[wanted], width), wanted)


@dataclass(frozen=True)
class Limits:
    """What a batch may hold.

    Attributes:
        size: rows, at most.
        cuts: no batch holds rows both of at most and of more than ``cut`` tokens.
        tokens: with padding, at most; a row that has more is a batch of its own. None: no matter.
        own: what a batch costs whatever is in it, in tokens.
    """

    size: int
    cuts: Sequence[int] = ()
    tokens: int | None = None
    own: int = _BATCH_TOKENS


def on_device(cuts: Sequence[int]) -> Limits:
    """Of batches that another device than the CPU runs."""
    return Limits(_DEVICE_ROWS, cuts, _DEVICE_TOKENS, _DEVICE_BATCH_TOKENS)


def hard_first(losses: Any, lengths: Any, limits: Limits) -> list[list[list[int]]]:
    """Rows in tiers of batches, those with the largest losses first, of like lengths within a batch.

    The eighth of the rows with the largest losses carries most of the loss, so a running sum passes its bound early.

    Args:
        losses: of the dense model, per row.
        lengths: tokens per row.
        limits: of batches.
    """
    order = np.argsort(-losses, kind="stable")
    bounds = [0, *(-(-len(order) // part) for part in (8, 4, 3, 2)), len(order)]
    tiers: list[list[list[int]]] = []
    for low, high in pairwise(bounds):
        rows = order[low:high][np.argsort(lengths[order[low:high]], kind="stable")]
        tiers.append([rows[start:stop].tolist() for start, stop in cheapest_batches(lengths[rows], limits)])
    return tiers


def cheapest_batches(lengths: Any, limits: Limits) -> list[tuple[int, int]]:
    """Where to cut rows into batches, so that padding and the batches' own cost are least together.

    Args:
        lengths: tokens per row, ascending.
        limits: of batches.

    Returns:
        (start, stop) of each batch, in order.
    """
    size, sides = limits.size, np.searchsorted(sorted(limits.cuts), lengths, side="left")
    side_starts, widths, counts = np.searchsorted(sides, sides).tolist(), lengths.tolist(), np.arange(size, 0, -1)
    best, origin = np.zeros(len(lengths) + 1), np.zeros(len(lengths) + 1, int)
    for stop in range(1, len(lengths) + 1):
        room = size if limits.tokens is None else max(1, min(size, limits.tokens // max(1, widths[stop - 1])))
        first = max(stop - room, side_starts[stop - 1])
        costs = best[first:stop] + counts[first - stop :] * widths[stop - 1]
        at = int(costs.argmin())
        best[stop], origin[stop] = costs[at] + limits.own, first + at
    found, stop = [], len(lengths)
    while stop:
        found.append((int(origin[stop]), stop))
        stop = int(origin[stop])
    return found[::-1]
