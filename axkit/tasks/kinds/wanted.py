"""What another model says of each example, for whoever compares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Wanted:
    """What another model says of each example: its logits, without the padding of batches.

    Attributes:
        logits: per example, (outputs,) or (tokens, outputs), float32, on the CPU; one tensor where all are of a shape.
        by_token: whether each token has its own.
    """

    logits: Tensor | Sequence[Tensor]
    by_token: bool

    @classmethod
    def of(cls, logits: Sequence[Tensor]) -> Wanted:
        """Of the logits of each example."""
        ragged = logits[0].dim() > 1
        return cls(list(logits) if ragged else torch.stack(list(logits)), ragged)

    def like(self, logits: Tensor, rows: Any) -> Tensor:
        """Of some examples, padded with zeros to the shape of a model's logits for them.

        Args:
            logits: of these examples, (batch, outputs) or (batch, tokens, outputs).
            rows: their indices, (batch,).
        """
        if isinstance(self.logits, Tensor):
            return self.logits[torch.as_tensor(rows)]
        made = torch.zeros(logits.shape)
        for place, row in enumerate(rows):
            one = self.logits[int(row)]
            made[place, : len(one)] = one
        return made
