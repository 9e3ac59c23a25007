"""What models are timed on: real rows, or random ones of real lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from axkit.ground.device import Device, moved
from axkit.tasks.split import Batch, Split

BATCH = 32


@dataclass(frozen=True)
class Inputs:
    """What models are timed on.

    Attributes:
        singles: inputs of one row each.
        batches: inputs of 32 rows, or as many as the target says, padded to the longest.
        rows: in all batches together.
    """

    singles: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    rows: int

    @classmethod
    def of(cls, split: Split, batches: int = 3, size: int = BATCH) -> Inputs:
        """Real inputs, in the split's own (random) order, as a server would meet them; ``size`` rows at a time."""
        count = max(1, min(batches, len(split) // size))
        full = [real_batch(split, size, number * size) for number in range(count)]
        singles = [split.batch([i]) for i in range(min(16, len(split)))]
        return cls([b.inputs for b in singles], [b.inputs for b in full], count * size)

    @classmethod
    def like(cls, lengths: Sequence[int], names: Sequence[str], vocabulary: int, size: int = BATCH) -> Inputs:
        """Random tokens in inputs of given lengths, for timing where the data is not at hand; ``size`` at a time."""
        lengths = _at_least(size, lengths)
        random = torch.Generator().manual_seed(0)

        def made(some: Sequence[int]) -> dict[str, Any]:
            return random_tokens(some, names, vocabulary, random)

        full = [made(lengths[start : start + size]) for start in range(0, len(lengths), size)]
        return cls([made([length]) for length in lengths[:16]], full, len(lengths))

    def on(self, device: Device) -> Inputs:
        """The same on a device."""
        if device.is_cpu:
            return self
        singles, batches = ([moved(one, device) for one in each] for each in (self.singles, self.batches))
        return Inputs(singles, batches, self.rows)

    @classmethod
    def images(cls, count: int, shape: Sequence[int], size: int = BATCH) -> Inputs:
        """Random pixels, likewise; ``shape`` is (channels, height, width)."""
        count = max(count, size)
        random = torch.Generator().manual_seed(0)
        pixels = torch.rand((count, *shape), generator=random)
        full = [{"pixel_values": pixels[start : start + size]} for start in range(0, count, size)]
        return cls([{"pixel_values": pixels[i : i + 1]} for i in range(min(16, count))], full, count)


def real_batch(split: Split, rows: int, start: int = 0) -> Batch:
    """So many real rows at a time; of a split that has fewer they come again, so that a batch is as large as it says.

    Args:
        split: whose rows are taken, in its own (random) order.
        rows: in the batch.
        start: the first one.
    """
    return split.batch([(start + i) % len(split) for i in range(rows)])


def _at_least(count: int, lengths: Sequence[int]) -> Sequence[int]:
    """They come again until there are so many."""
    return [lengths[i % len(lengths)] for i in range(max(count, len(lengths)))]


def random_tokens(
    lengths: Sequence[int], names: Sequence[str], vocabulary: int, random: torch.Generator
) -> dict[str, Any]:
    """One batch of random tokens, padded on the right.

    Args:
        lengths: in tokens, of each row.
        names: of the inputs that the model takes.
        vocabulary: ids are below it.
        random: where they come from.

    Returns:
        name -> (rows, longest).
    """
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1])[None, :] < torch.tensor(lengths)[:, None]
    ids = torch.randint(0, vocabulary, shape, generator=random)
    every = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": torch.zeros_like(ids)}
    return {name: every[name] for name in names if name in every}
