"""Regression where it computes: squared error, the output itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.feed import Encoded, Feed
from axkit.tasks.kinds.regression import KIND
from axkit.tasks.kinds.voice import Said, Voice
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


class Score(Voice):
    """A number."""

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """The score, as the model gives it; of several outputs each under its name."""
        values = heard[0].tolist()
        return {"score": values[0]} if len(values) == 1 else dict(zip(rows.label_names, values, strict=True))


class ScoreFeed(Feed):
    """Labels are numbers."""

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """Scores in float32, as the logits are."""
        return {"labels": labels.float()}


class Regression(TaskKind):
    """One score."""

    about = KIND
    feed = ScoreFeed()
    voice = Score()
    can_calibrate = predicts_numbers = True

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Squared error."""
        return (logits.float().squeeze(-1) - labels.float()).square()

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Squared distance of the scores."""
        return (logits.float() - wanted.float()).squeeze(-1).square()

    def calibrated(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The rising line through them with the least squared error."""
        scores, wanted = logits.double().squeeze(-1), labels.double()
        off = scores - scores.mean()
        spread = float((off * off).sum())
        slope = max(0.0, float((off * (wanted - wanted.mean())).sum())) / spread if spread > 0 else 0.0
        return (slope * off + wanted.mean())[:, None]

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The score itself."""
        return logits.float().squeeze(-1).tolist()
