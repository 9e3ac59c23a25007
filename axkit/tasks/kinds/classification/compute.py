"""Classification where it computes: cross entropy, the largest logit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from axkit.tasks.kinds.base import TaskKind, divergence
from axkit.tasks.kinds.classification import KIND
from axkit.tasks.kinds.feed import Encoded
from axkit.tasks.kinds.voice import Said, Voice
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


class Shares(Voice):
    """Probabilities of labels."""

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """Label -> probability; they add up to 1."""
        return dict(zip(rows.label_names, heard[0].softmax(-1).tolist(), strict=True))


class Classification(TaskKind):
    """One label of several."""

    about = KIND
    voice = Shares()
    can_calibrate = predicts_numbers = True

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy."""
        return torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence."""
        return divergence(logits, wanted, temperature)

    def calibrated(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Divided by the best temperature, 1/20 to 20 (Guo et al. 2017, arXiv 1706.04599, section 4.2).

        The loss is convex in 1 / temperature: bisection on its derivative.
        """
        logits = logits.double()
        right = logits.gather(1, labels[:, None])[:, 0]
        low, high = 0.05, 20.0
        for _ in range(40):
            scale = (low * high) ** 0.5
            slope = float(((logits * scale).softmax(1) * logits).sum(1).sub(right).mean())
            low, high = (scale, high) if slope < 0 else (low, scale)
        best: Tensor = logits * (low * high) ** 0.5
        return best

    def gaps(self, logits: Tensor) -> Tensor:
        """The largest logit less the second largest."""
        two = logits.float().topk(2, -1).values
        return two[..., 0] - two[..., 1]

    def confidences(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The probability of that class."""
        return logits.float().softmax(-1).amax(-1).tolist()

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The class with the largest logit."""
        return logits.argmax(-1).tolist()
