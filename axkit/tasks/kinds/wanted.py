"""What another model says of each example, for whoever compares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence


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

    def padded(self, rows: Any) -> Tensor:
        """Of some examples, (batch, outputs); by token with zeros behind the shorter ones, (batch, tokens, outputs).

        Args:
            rows: their indices, (batch,).
        """
        if isinstance(self.logits, Tensor):
            return self.logits[torch.as_tensor(rows)]
        return pad_sequence([self.logits[int(row)] for row in rows], batch_first=True)

    def like(self, logits: Tensor, rows: Any) -> Tensor:
        """Of some examples, padded with zeros to the shape of a model's logits for them.

        Args:
            logits: of these examples, (batch, outputs) or (batch, tokens, outputs).
            rows: their indices, (batch,).
        """
        made = self.padded(rows)
        return functional.pad(made, (0, 0, 0, logits.shape[1] - made.shape[1])) if self.by_token else made


def own(logits: Tensor, length: int) -> Tensor:
    """Of one example, without the padding of its batch.

    Args:
        logits: (outputs,) or (tokens of the batch, outputs).
        length: of the example, in tokens.
    """
    return (logits[:length] if logits.dim() > 1 else logits).clone()
