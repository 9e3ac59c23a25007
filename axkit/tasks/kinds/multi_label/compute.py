"""Several labels where they are computed: binary cross entropies, each label above one half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.tasks.kinds.base import TaskKind, divergence
from axkit.tasks.kinds.feed import Encoded, Feed
from axkit.tasks.kinds.multi_label import KIND
from axkit.tasks.kinds.voice import Said, Voice
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


class OwnShares(Voice):
    """A probability of each label."""

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A row without labels."""
        return SplitRows([texts], np.zeros((1, len(names)), np.int64), names)

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """Label -> probability, each its own."""
        return dict(zip(rows.label_names, heard[0].sigmoid().tolist(), strict=True))


class SetFeed(Feed):
    """Labels are a 0 or 1 for each."""

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """Labels as the float32 that transformers' loss wants."""
        return {"labels": labels.float()}


class MultiLabel(TaskKind):
    """Any number of labels."""

    about = KIND
    feed = SetFeed()
    voice = OwnShares()

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Binary cross entropy, mean over labels."""
        entropy = torch.nn.functional.binary_cross_entropy_with_logits
        return entropy(logits.float(), labels.float(), reduction="none").mean(-1)

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Divergence of each label's yes and no, mean over labels."""
        return divergence(self.outcomes(logits), self.outcomes(wanted), temperature).mean(-1)

    def outcomes(self, logits: Tensor) -> Tensor:
        """Yes or no, of each label."""
        return torch.stack([logits, torch.zeros_like(logits)], -1)

    def confidences(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """Of each label, the probability of the yes or the no that is said."""
        return logits.float().abs().sigmoid().tolist()

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """Every label whose probability exceeds one half."""
        return (logits > 0).long().tolist()
