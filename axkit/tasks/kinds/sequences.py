"""Kinds of task with one output per text: classification, regression, several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from axkit.tasks.kinds import metrics
from axkit.tasks.kinds.base import Constant, Encoded, Said, TaskKind, divergence, named
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import Kind, TaskSpec


class Classification(TaskKind):
    """One label of several."""

    name: ClassVar[Kind] = "classification"
    problem_type = "single_label_classification"
    can_calibrate = predicts_numbers = True
    metrics: ClassVar = {"accuracy": metrics.accuracy, "matthews": metrics.matthews, "f1": metrics.f1}

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

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The class with the largest logit."""
        return logits.argmax(-1).tolist()

    def score(self, metric: str, predictions: Any, golds: Any, positive: int = 1) -> float:
        """A metric, in points; F1 is of the class that the data calls 1, wherever the model has it."""
        if metric == "f1":
            predictions, golds = predictions == positive, golds == positive
        return self.metrics[metric](predictions, golds)

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """Label -> probability; they add up to 1."""
        return dict(zip(rows.label_names, heard[0].softmax(-1).tolist(), strict=True))

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per label."""
        return len(label_names)

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The most frequent label of train."""
        return np.full_like(golds, np.bincount(train_labels).argmax())

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Number by number."""
        return order[predictions]

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """Each label that a row has."""
        return [Constant(named(int(label), names), np.full_like(golds, label)) for label in np.unique(golds)]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one label."""
        one = len(predictions) > 1 and bool((predictions == predictions[0]).all())
        return named(int(predictions[0]), names) if one else ""


class Regression(TaskKind):
    """One score."""

    name = "regression"
    problem_type = "regression"
    names_outputs = False
    can_calibrate = predicts_numbers = True
    metrics: ClassVar = {"pearson": metrics.pearson, "spearman": metrics.spearman}

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

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """Scores in float32, as the logits are."""
        return {"labels": labels.float()}

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """The score itself."""
        return logits.float().squeeze(-1).tolist()

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """The score, as the model gives it; of several outputs each under its name."""
        values = heard[0].tolist()
        return {"score": values[0]} if len(values) == 1 else dict(zip(rows.label_names, values, strict=True))

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One."""
        return 1

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The mean score of train: correlates with nothing."""
        return np.full_like(golds, train_labels.mean())

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """The mean; no score that is always the same correlates with anything."""
        return [Constant("one and the same score", np.full_like(golds, golds.mean()))]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one score, but for rounding."""
        spread = float(np.ptp(predictions)) if len(predictions) > 1 else np.inf
        return "one and the same score" if spread <= 1e-6 * max(1.0, float(np.abs(predictions).max())) else ""


class MultiLabel(TaskKind):
    """Any number of labels."""

    name = "multi_label"
    problem_type = "multi_label_classification"
    metrics: ClassVar = {"f1_micro": metrics.f1_micro, "f1_macro": metrics.f1_macro, "exact": metrics.exact}

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Binary cross entropy, mean over labels."""
        entropy = torch.nn.functional.binary_cross_entropy_with_logits
        return entropy(logits.float(), labels.float(), reduction="none").mean(-1)

    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Divergence of each label's yes and no, mean over labels."""
        ours, theirs = (torch.stack([part, torch.zeros_like(part)], -1) for part in (logits, wanted))
        return divergence(ours, theirs, temperature).mean(-1)

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """Labels as the float32 that transformers' loss wants."""
        return {"labels": labels.float()}

    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """Every label whose probability exceeds one half."""
        return (logits > 0).long().tolist()

    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """Label -> probability, each its own."""
        return dict(zip(rows.label_names, heard[0].sigmoid().tolist(), strict=True))

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per label."""
        return len(label_names)

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A row without labels."""
        return SplitRows([texts], np.zeros((1, len(names)), np.int64), names)

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The labels that more than half of train has."""
        return np.broadcast_to(train_labels.mean(0) > 0.5, golds.shape).astype(golds.dtype)

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Column by column."""
        return predictions[:, np.argsort(order)]

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """None, all (the best for f1_macro), the most frequent labels (f1_micro), and the most frequent set (exact)."""
        counts = golds.sum(0)
        order = np.argsort(-counts, kind="stable")
        sizes = np.arange(1, len(counts) + 1)
        micro = 2 * np.cumsum(counts[order]) / (sizes * len(golds) + counts.sum())
        rows, often = np.unique(golds, axis=0, return_counts=True)
        sets = [
            np.zeros_like(counts),
            np.ones_like(counts),
            np.isin(np.arange(len(counts)), order[: micro.argmax() + 1]),
        ]
        return [
            Constant(_set_in_words(one, names), np.broadcast_to(one, golds.shape).astype(golds.dtype))
            for one in (*sets, rows[often.argmax()])
        ]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one set."""
        one = len(predictions) > 1 and bool((predictions == predictions[0]).all())
        return _set_in_words(predictions[0], names) if one else ""


def _set_in_words(labels: Any, names: Sequence[str]) -> str:
    there = np.flatnonzero(labels).tolist()
    if not there:
        return "no label"
    if len(there) == len(labels):
        return f"all {len(labels)} labels"
    shown = ", ".join(named(label, names) for label in there[:3])
    return shown + (f" and {len(there) - 3} more" if len(there) > 3 else "")
