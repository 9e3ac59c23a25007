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
        metrics: name -> function of (predictions, labels), in points (0..100, or -100..100 for correlations).
    """

    head: ClassVar[str]
    problem_type: ClassVar[str | None] = None
    metrics: ClassVar[dict[str, Callable[[Any, Any], float]]]

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss per sample: logits (batch, outputs), labels (batch,) -> (batch,), float32, not negative."""

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
    metrics: ClassVar = {"accuracy": _accuracy, "matthews": _matthews, "f1": _f1}

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy."""
        return torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")

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
    metrics: ClassVar = {"pearson": _pearson, "spearman": _spearman}

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Squared error."""
        return (logits.float().squeeze(-1) - labels.float()).square()

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
