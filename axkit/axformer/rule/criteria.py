"""What a candidate is judged by: one number that must fall, and a loss per row for the vote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from axkit.axformer.arrays import Floats, Rows
from axkit.axformer.rule.stakes import SUM_MARGIN
from axkit.ground.errors import NotApplicable
from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.wanted import Wanted
from axkit.tasks.split import Split

_DEAR = 1.5  # times the value at the start of a round
_FAR = 0.25  # nats: of two classes, 97 % that became 50 %, or 92 % that became 35 %


class Criterion(ABC):
    """Turns logits into what is kept of each row, and that into the number that must fall.

    Args:
        split: the rows, their labels and their kind.

    Attributes:
        by_row: True where a row's loss does not depend on the other rows.
        adds_up: True where what some rows have says how the value of all will be.
        by_label: True where a candidate may come out better than the dense model, by luck too.
    """

    by_row: ClassVar[bool] = True
    adds_up: ClassVar[bool] = True
    by_label: ClassVar[bool] = True

    def __init__(self, split: Split) -> None:
        self.split, self.kind = split, split.kind

    @abstractmethod
    def see(self, logits: Tensor, labels: Tensor, rows: Rows) -> Floats:
        """What is kept of each row of a batch, (rows, values).

        Args:
            logits: of the batch, on any device.
            labels: of the batch.
            rows: their indices in the split.
        """

    @abstractmethod
    def losses(self, kept: Floats, rows: Any) -> Floats:
        """Losses per row, (rows,)."""

    def value(self, kept: Floats, rows: Any) -> float:
        """The number that must fall, over these rows."""
        return float(self.losses(kept, rows).mean())

    def dear(self, value: float) -> float:
        """From what value on a round has lost so much that training is due, when it began with ``value``."""
        return _DEAR * value

    def apart(self, low: Floats, kept: Floats, rows: Rows, among: Floats) -> Floats:
        """Losses of rows in 16 bits less those in float32, (rows,).

        Args:
            low: what is kept of them in 16 bits.
            kept: in float32.
            rows: their indices in the split.
            among: what is kept of every row of the split: where a row's loss depends on the others, on these.
        """
        return self.losses(low, rows) - self.losses(kept, rows)

    def swings(self, low: Floats, kept: Floats) -> Floats:
        """How much 16 bits move each row towards another prediction, or away from it, (rows,); none where not kept."""
        return np.zeros(0)

    def in_doubt(self, low: Floats, spread: float) -> Rows:
        """Which rows, seen in 16 bits with swings of this spread, may be predicted otherwise in float32, (rows,)."""
        return np.ones(len(low), bool)

    @property
    def screens(self) -> bool:
        """Whether 16 bits can settle anything about a candidate."""
        return True

    def row_at_least(self, losses: Floats) -> Floats:
        """Not more than what each row adds to ``samples * value``; 0 where unknown."""
        return losses

    def row_at_most(self, losses: Floats) -> Floats:
        """Not less than what each row adds to ``samples * value``; infinite where unknown."""
        return np.full_like(losses, np.inf)


class Loss(Criterion):
    """The paper's: the mean of the task's loss."""

    def see(self, logits: Tensor, labels: Tensor, rows: Rows) -> Floats:
        """The loss."""
        return self.kind.losses(logits.cpu(), labels).double().numpy()[:, None]

    def losses(self, kept: Floats, rows: Any) -> Floats:
        """As they are."""
        return kept[:, 0]

    def row_at_most(self, losses: Floats) -> Floats:
        """The loss itself."""
        return losses


class CalibratedLoss(Criterion):
    """The mean loss after the best recalibration that changes no decision (Guo et al. 2017, temperature scaling).

    A sum of minima is not more than the minimum of a sum, so parts of the rows still bound the whole from below.
    """

    by_row: ClassVar[bool] = False

    def __init__(self, split: Split) -> None:
        super().__init__(split)
        if not self.kind.can_calibrate:
            raise NotApplicable(f"criterion calibrated_loss knows no calibration for {split.spec.kind}; use loss")

    def see(self, logits: Tensor, labels: Tensor, rows: Rows) -> Floats:
        """The logits."""
        return logits.cpu().double().reshape(len(labels), -1).numpy()

    def losses(self, kept: Floats, rows: Any) -> Floats:
        """At the temperature that is best for these rows together."""
        labels = torch.as_tensor(self.split.labels[rows])
        logits = self.kind.calibrated(torch.from_numpy(kept), labels)
        return np.asarray(self.kind.losses(logits, labels).double().numpy())

    def apart(self, low: Floats, kept: Floats, rows: Rows, among: Floats) -> Floats:
        """At a temperature that all rows have a say in: by its own a batch would hide what its logits err together."""

        def losses(own: Floats) -> Floats:
            every = among.copy()
            every[rows] = own
            found: Floats = self.losses(every, np.arange(len(every)))[rows]
            return found

        return losses(low) - losses(kept)


class Metric(Criterion):
    """The error, 1 - metric / 100; the vote is the paper's.

    In 16 bits most rows are predicted as in float32: those whose logits are far from another prediction. The others are
    predicted anew, and then the value is known.
    """

    adds_up: ClassVar[bool] = False

    def __init__(self, split: Split) -> None:
        super().__init__(split)
        if not self.kind.predicts_numbers:
            raise NotApplicable(f"criterion metric needs one number per row, {split.spec.kind} predicts more; use loss")

    def see(self, logits: Tensor, labels: Tensor, rows: Rows) -> Floats:
        """Loss, prediction, and how far another prediction is (0 where nobody knows)."""
        logits = logits.cpu()
        predicted = torch.tensor(self.kind.predictions(logits, labels), dtype=torch.float64)
        gaps = self.kind.gaps(logits)
        far = torch.zeros(len(labels)) if gaps is None else gaps
        return np.asarray(torch.stack([self.kind.losses(logits, labels).double(), predicted, far.double()], 1).numpy())

    def losses(self, kept: Floats, rows: Any) -> Floats:
        """The losses."""
        return kept[:, 0]

    def value(self, kept: Floats, rows: Any) -> float:
        """0 is perfect, 1 a metric of 0."""
        labels = self.split.labels[rows]
        return 1 - self.split.score(kept[:, 1].astype(labels.dtype), labels) / 100

    def swings(self, low: Floats, kept: Floats) -> Floats:
        """A prediction that is another has gone all the way to it, and then away from it."""
        there = np.where(low[:, 1] == kept[:, 1], low[:, 2], -low[:, 2])
        return there - kept[:, 2]

    def in_doubt(self, low: Floats, spread: float) -> Rows:
        """Those that are not farther from another prediction than 16 bits may swing."""
        return ~(low[:, 2] > SUM_MARGIN * spread)

    @property
    def screens(self) -> bool:
        """Where the kind says how far another prediction is."""
        return type(self.kind).gaps is not TaskKind.gaps

    def row_at_least(self, losses: Floats) -> Floats:
        """Few metrics are sums over rows."""
        return np.zeros_like(losses)


class Divergence(Criterion):
    """How far the answers are from the dense model's; the labels are not used.

    For classes the Kullback-Leibler divergence of the probabilities. What the dense model says of a row tells more of a
    candidate than a label does: how sure to be is in no label.

    Args:
        split: the rows.
        wanted: the dense model's logits.
    """

    by_label: ClassVar[bool] = False

    def __init__(self, split: Split, wanted: Wanted) -> None:
        super().__init__(split)
        self._wanted = wanted

    def see(self, logits: Tensor, labels: Tensor, rows: Rows) -> Floats:
        """The divergence."""
        logits = logits.cpu().float()
        apart = self.kind.soft_losses(logits, self._wanted.like(logits, rows), labels, 1.0)
        return apart.double().numpy()[:, None]

    def losses(self, kept: Floats, rows: Any) -> Floats:
        """As they are."""
        return kept[:, 0]

    def dear(self, value: float) -> float:
        """A round begins near 0: what is dear is no multiple of that."""
        return max(super().dear(value), _FAR)

    def row_at_most(self, losses: Floats) -> Floats:
        """The divergence itself."""
        return losses


CRITERIA: dict[str, type[Criterion]] = {"loss": Loss, "calibrated_loss": CalibratedLoss, "metric": Metric}
