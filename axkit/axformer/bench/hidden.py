"""The cached hidden states of a search: real tokens only, on the device, past that in memory, past that in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.axformer.bench.storage import reserved
from axkit.ground.device import CPU, Device
from axkit.tasks.split import Batch


class Shelf:
    """Gives float32 tensors in three tiers: on the device, in memory, mapped from files that go with the tensor.

    Args:
        limit_bytes: of all tensors in memory together; past it they are in files.
        device: that the model computes on.
        device_limit_bytes: of all tensors on it together, where it has a memory of its own; past it they are on the
            CPU's side.
    """

    def __init__(self, limit_bytes: float, device: Device = CPU, device_limit_bytes: float = 0.0) -> None:
        self.limit_bytes, self.memory_bytes, self.disk_bytes = limit_bytes, 0, 0
        self.device, self.device_limit_bytes, self.device_bytes = device, device_limit_bytes, 0

    def empty(self, *shape: int) -> Tensor:
        """An uninitialised float32 tensor.

        Raises:
            StorageError: the disk has no room for it.
        """
        size = 4 * int(np.prod(shape))
        if self.device_bytes + size <= self.device_limit_bytes:
            self.device_bytes += size
            return torch.empty(shape, device=self.device.name)
        if self.memory_bytes + size <= self.limit_bytes:
            self.memory_bytes += size
            return torch.empty(shape)
        path = reserved(size)
        try:
            kept = torch.from_file(str(path), shared=True, size=size // 4, dtype=torch.float32).view(shape)
        finally:
            path.unlink()  # the system gives the space back with the last tensor on it, however the process ends
        self.disk_bytes += size
        return kept

    def spares(self, rows: int, tokens: int, width: int) -> bool:
        """Whether hidden states of that size would leave half of a memory free, the device's or ours."""
        size = 4 * (tokens + rows) * width
        tiers = (self.device_bytes, self.device_limit_bytes), (self.memory_bytes, self.limit_bytes)
        return any(used + size <= limit / 2 for used, limit in tiers)

    def rest(self) -> Shelf:
        """A shelf for tensors with a shorter life, within what is left of the limits."""
        left = self.device_limit_bytes - self.device_bytes
        return Shelf(self.limit_bytes - self.memory_bytes, self.device, left)


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
        self._first_only, self._device = first_only, shelf.device.name
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
            real = batch.inputs["attention_mask"].cpu().bool()
        else:  # images: all of a length
            real = torch.ones(len(batch.rows), int(self._lengths[batch.rows].max()), dtype=torch.bool)
        where = torch.zeros(real.shape, dtype=torch.long)
        spans = [np.arange(self._starts[row], self._starts[row] + self._lengths[row]) for row in batch.rows]
        where[real] = torch.from_numpy(np.concatenate(spans))
        return where

    def put(self, kind: int, places: Tensor, hidden: Tensor) -> None:
        """Keep the real tokens of (rows, tokens, width), which may be on another device."""
        flat, where = self._flat[kind], places.flatten()
        if flat.device.type == "cpu":
            real = where.nonzero()[:, 0]
            kept = hidden.flatten(0, 1).index_select(0, real.to(hidden.device)).float()
            flat.index_copy_(0, where[real], kept.cpu())
            return
        # which tokens are real nobody need wait for: padding goes to place 0 too, and that is cleared
        flat.index_copy_(0, where.to(flat.device), hidden.flatten(0, 1).to(flat.device, torch.float32))
        flat[0] = 0

    def get(self, kind: int, places: Tensor, columns: slice = slice(None)) -> Tensor:
        """(rows, tokens, columns), on the device of the search; zeros where there is padding."""
        flat = self._flat[kind][:, columns]
        found = flat.index_select(0, places.flatten().to(flat.device)).view(*places.shape, flat.shape[1])
        return found.to(self._device)
