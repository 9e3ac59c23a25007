"""Kinds of task: the model head they take, the loss of one sample, the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]


class TaskKind(ABC):
    """What a kind of task has to say; stateless.

    Class attributes:
        head: the suffix of the transformers class: ``AutoModelFor<head>``.
        can_calibrate: True where ``calibrated`` is there.
        metrics: name -> function of (predictions, labels), in points (0..100, or -100..100 for correlations).
    """

    head: ClassVar[str]
    problem_type: ClassVar[str | None] = None
    can_calibrate: ClassVar[bool] = False
    metrics: ClassVar[dict[str, Callable[[Any, Any], float]]]

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss per sample: logits (batch, outputs), labels (batch,) -> (batch,), float32, not negative."""

    def calibrated(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits after the recalibration with the least loss that changes no decision; shape as given."""
        raise NotImplementedError(f"{type(self).__name__} knows no calibration")

    @abstractmethod
    def predictions(self, logits: Tensor) -> Tensor:
        """(batch, outputs) -> one prediction per sample, (batch,)."""

    @abstractmethod
    def outputs(self, label_names: tuple[str, ...]) -> int:
        """The number of outputs the head has."""

    @abstractmethod
    def majority(self, train_labels: Any, labels: Any) -> Any:
        """What a model would predict that has only seen the training labels; shape of ``labels``."""


def _accuracy(predictions: Any, labels: Any) -> float:
    return 100.0 * float(np.mean(predictions == labels))


def _matthews(predictions: Any, labels: Any) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004), as the covariance of one-hot vectors."""
    classes = np.union1d(predictions, labels)
    p = (predictions[:, None] == classes).astype(float)
    t = (labels[:, None] == classes).astype(float)
    p, t = p - p.mean(0), t - t.mean(0)
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def _f1(predictions: Any, labels: Any) -> float:
    """F1 of class 1, as GLUE scores MRPC and QQP."""
    hits = float(np.sum((predictions == 1) & (labels == 1)))
    total = float(np.sum(predictions == 1) + np.sum(labels == 1))
    return 200.0 * hits / total if total else 0.0


def _pearson(predictions: Any, labels: Any) -> float:
    p, t = predictions - predictions.mean(), labels - labels.mean()
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def _ranks(values: Any) -> Floats:
    """Ranks from 0, ties share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse], dtype=np.float64)


def _spearman(predictions: Any, labels: Any) -> float:
    return _pearson(_ranks(predictions), _ranks(labels))


class Classification(TaskKind):
    """One label of several."""

    head = "SequenceClassification"
    problem_type = "single_label_classification"
    can_calibrate = True
    metrics: ClassVar = {"accuracy": _accuracy, "matthews": _matthews, "f1": _f1}

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy."""
        return torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")

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

    def predictions(self, logits: Tensor) -> Tensor:
        """The class with the largest logit."""
        return logits.argmax(-1)

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per label."""
        return len(label_names)

    def majority(self, train_labels: Any, labels: Any) -> Any:
        """The most frequent label of train."""
        return np.full_like(labels, np.bincount(train_labels).argmax())


class Regression(TaskKind):
    """One score."""

    head = "SequenceClassification"
    problem_type = "regression"
    can_calibrate = True
    metrics: ClassVar = {"pearson": _pearson, "spearman": _spearman}

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Squared error."""
        return (logits.float().squeeze(-1) - labels.float()).square()

    def calibrated(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The rising line through them with the least squared error."""
        scores, wanted = logits.double().squeeze(-1), labels.double()
        off = scores - scores.mean()
        spread = float((off * off).sum())
        slope = max(0.0, float((off * (wanted - wanted.mean())).sum())) / spread if spread > 0 else 0.0
        return (slope * off + wanted.mean())[:, None]

    def predictions(self, logits: Tensor) -> Tensor:
        """The score itself."""
        return logits.float().squeeze(-1)

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One."""
        return 1

    def majority(self, train_labels: Any, labels: Any) -> Any:
        """The mean score of train: correlates with nothing."""
        return np.full_like(labels, train_labels.mean())


KINDS: dict[str, TaskKind] = {"classification": Classification(), "regression": Regression()}
