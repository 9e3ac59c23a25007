"""What ``check_kind`` looks at: a kind with its rows, tokenized, and a tiny model; what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.data import KindRows
from axkit.tasks.kinds.kind import Kind
from axkit.tasks.source.rows import TaskRows
from axkit.tasks.split import Batch, Split

TOLERANCE = 1e-4  # of losses and logits: a batch of one adds up in another order


@dataclass(frozen=True)
class Case:
    """What is checked.

    Attributes:
        about: the kind.
        half: that reads its rows.
        kind: the half that computes.
        data: the rows, read.
        split: them, tokenized.
        model: a tiny random one with the kind's head.
    """

    about: Kind
    half: KindRows
    kind: TaskKind
    data: TaskRows
    split: Split
    model: Any

    def logits(self, batch: Batch) -> Tensor:
        """Of a batch."""
        with torch.inference_mode():
            return self.kind.logits(self.model(**batch.inputs))


def predicted(case: Case, split: Split, size: int = 8) -> Any:
    """What ``Split.evaluate`` predicts, without a metric."""
    found: list[Any] = [None] * len(split)
    for batch in split.batches(size):
        predictions = case.kind.predictions(case.logits(batch), batch.labels)
        for row, one in zip(batch.rows, predictions, strict=True):
            found[row] = one
    return case.kind.feed.gather(found, split.encoded, split.spec)


def alike(some: Any, other: Any) -> bool:
    """Whether two arrays of predictions are the same, floats but for rounding."""
    if len(some) != len(other):
        return False
    if not isinstance(some, np.ndarray) or some.dtype == np.dtype(object):
        return list(some) == list(other)
    return bool(np.allclose(some, other, rtol=TOLERANCE, atol=TOLERANCE))
