"""The cached layer inputs of a search: real tokens only, in memory up to a limit, past it in a file."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.tasks.split import Batch

_BATCH_TOKENS = 40  # what a batch costs whatever is in it, in tokens computed; seen on small encoders


class Shelf:
    """Gives float32 tensors: in memory up to a limit, past it mapped from files that go with this object.

    Args:
        limit_bytes: of all tensors in memory together.
    """

    def __init__(self, limit_bytes: float) -> None:
        self.limit_bytes, self.memory_bytes, self.disk_bytes = limit_bytes, 0, 0
        self._folder: Path | None = None
        self._files = 0

    def empty(self, *shape: int) -> Tensor:
        """An uninitialised float32 tensor."""
        size = 4 * int(np.prod(shape))
        if self.memory_bytes + size <= self.limit_bytes:
            self.memory_bytes += size
            return torch.empty(shape)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="axkit-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.disk_bytes += size
        self._files += 1
        path = self._folder / f"{self._files}.bin"
        return torch.from_file(str(path), shared=True, size=size // 4, dtype=torch.float32).view(shape)

    def rest(self) -> Shelf:
        """A shelf for tensors with a shorter life, within what is left of the limit."""
        return Shelf(self.limit_bytes - self.memory_bytes)


class HiddenStates:
    """Hidden states of some kinds for every row, without padding; each kind is (tokens of all rows) x width.

    Args:
        shelf: where the tensors come from.
        widths: values per token, of each kind: for layer inputs one per layer.
        lengths: tokens of each row, (rows,).
        first_only: of each row the first token alone.
    """

    def __init__(self, shelf: Shelf, widths: Sequence[int], lengths: Any, first_only: bool = False) -> None:
        lengths = np.ones_like(lengths) if first_only else lengths
        self._first_only = first_only
        ends = np.cumsum(lengths)
        self._starts, self._lengths = ends - lengths + 1, lengths  # place 0 is what padding reads
        self._flat = [shelf.empty(int(ends[-1]) + 1, width) for width in widths]
        for flat in self._flat:
            flat[0] = 0

    def places(self, batch: Batch) -> Tensor:
        """Where each token of a batch is kept, (rows, tokens); 0 for padding, on whichever side it is."""
        if self._first_only:
            return torch.from_numpy(self._starts[batch.rows])[:, None]
        if "attention_mask" in batch.inputs:
            real = batch.inputs["attention_mask"].bool()
        else:  # images: all of a length
            real = torch.ones(len(batch.rows), int(self._lengths[batch.rows].max()), dtype=torch.bool)
        where = torch.zeros(real.shape, dtype=torch.long)
        spans = [np.arange(self._starts[row], self._starts[row] + self._lengths[row]) for row in batch.rows]
        where[real] = torch.from_numpy(np.concatenate(spans))
        return where

    def put(self, kind: int, places: Tensor, hidden: Tensor) -> None:
        """Keep the real tokens of (rows, tokens, width)."""
        real = places > 0
        self._flat[kind][places[real]] = hidden[real].float()

    def get(self, kind: int, places: Tensor, columns: slice = slice(None)) -> Tensor:
        """(rows, tokens, columns); zeros where there is padding."""
        return self._flat[kind][:, columns][places]


def hard_first(losses: Any, lengths: Any, size: int, cuts: Sequence[int] = ()) -> list[list[list[int]]]:
    """Rows in tiers of batches, those with the largest losses first, of like lengths within a batch.

    The eighth of the rows with the largest losses carries most of the loss, so a running sum passes its bound early.

    Args:
        losses: of the dense model, per row.
        lengths: tokens per row.
        size: rows per batch, at most.
        cuts: no batch holds rows both of at most and of more than ``cut`` tokens.
    """
    order = np.argsort(-losses, kind="stable")
    bounds = [0, *(-(-len(order) // part) for part in (8, 4, 3, 2)), len(order)]
    tiers: list[list[list[int]]] = []
    for low, high in pairwise(bounds):
        rows = order[low:high][np.argsort(lengths[order[low:high]], kind="stable")]
        tiers.append([rows[start:stop].tolist() for start, stop in cheapest_batches(lengths[rows], size, cuts)])
    return tiers


def cheapest_batches(lengths: Any, size: int, cuts: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Where to cut rows into batches, so that padding and the batches' own cost are least together.

    Args:
        lengths: tokens per row, ascending.
        size: rows per batch, at most.
        cuts: as in :func:`hard_first`.

    Returns:
        (start, stop) of each batch, in order.
    """
    sides = np.searchsorted(sorted(cuts), lengths, side="left")
    best, origin = np.zeros(len(lengths) + 1), np.zeros(len(lengths) + 1, int)
    for stop in range(1, len(lengths) + 1):
        first = max(0, stop - size, int(np.searchsorted(sides, sides[stop - 1])))
        costs = best[first:stop] + np.arange(stop - first, 0, -1) * lengths[stop - 1]
        at = int(costs.argmin())
        best[stop], origin[stop] = costs[at] + _BATCH_TOKENS, first + at
    found, stop = [], len(lengths)
    while stop:
        found.append((int(origin[stop]), stop))
        stop = int(origin[stop])
    return found[::-1]
