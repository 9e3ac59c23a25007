"""Tokenized rows: batches of like lengths, and the score of a model on them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.ground.device import Device, moved
from axkit.ground.progress import Progress, Silent
from axkit.tasks.answering import answering
from axkit.tasks.kinds.base import Encoded, TaskKind
from axkit.tasks.kinds.kind import metric_of
from axkit.tasks.kinds.voice import Voice
from axkit.tasks.prepare import Job
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Batch:
    """Some rows of a split, padded to the longest of them.

    Attributes:
        inputs: what the model's forward takes, each (batch, tokens).
        labels: as the kind of task collates them, (batch, ...).
        rows: their indices in the split, (batch,).
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    rows: Any

    def on(self, device: Device) -> Batch:
        """The same rows with their inputs on a device; labels stay on the CPU, where answers are held against them."""
        return self if device.is_cpu else Batch(moved(self.inputs, device), self.labels, self.rows)

    @property
    def is_padded(self) -> bool:
        """True when some row is shorter than the longest; images never are."""
        return "attention_mask" in self.inputs and not bool(self.inputs["attention_mask"].all())


@dataclass(frozen=True)
class Evaluation:
    """A model on a split.

    Attributes:
        losses: per example, in the order of the split, float64; of rows without labels the divergence from the dense
            model's answers.
        predictions: per row.
        labels: per row.
        score: the task's metric, in points.
        metric: its name, as it is told (``TaskSpec.told``).
        scores: every metric that the task names, in points; where the split has parts, also of each part.
        confidences: per row, how sure the model was, as ``Feed.sure`` has it; None where nobody asked.
    """

    losses: Any
    predictions: Any
    labels: Any
    score: float
    metric: str
    scores: Mapping[str, float] = field(default_factory=dict)
    confidences: Sequence[Any] | None = None

    @property
    def loss(self) -> float:
        """Mean over examples."""
        return float(self.losses.mean())


class Split:
    """One split of a task, tokenized for one model.

    An example is what the model is given at once, a row what is scored: the same, but for contexts that are longer
    than the model takes, whose questions have several examples (windows). ``len(split)``, ``batch`` and the search
    count examples; metrics, intervals and tests count rows.

    Args:
        rows: texts and labels.
        spec: of the task.
        kind: of the task.
        tokenizer: of the model; its image reader where it reads pixels.
        max_tokens: what the model can take; the task's own ``max_length`` may be less.
    """

    def __init__(self, rows: SplitRows, spec: TaskSpec, kind: TaskKind, tokenizer: Any, max_tokens: int) -> None:
        self.kind, self.spec, self.tokenizer, self.label_names = kind, spec, tokenizer, rows.label_names
        job = Job(spec, tokenizer, kind.feed.limit(spec, max_tokens), rows.label_names)
        self._take(kind.feed.encode(rows, job))
        self.parts, self.positive = np.array(rows.parts, dtype=object), rows.positive

    def _take(self, encoded: Encoded) -> None:
        self.encoded = encoded
        self.examples, self.labels, self.golds = encoded.examples, encoded.labels, encoded.golds
        self.lengths, self.at_limit = encoded.lengths, encoded.at_limit

    def __len__(self) -> int:
        return len(self.examples)

    def first(self, rows: int) -> Split:
        """Its first examples, which are a random part of it, to decide on; itself where it has no more.

        Rows stay whole: where the last one has several examples, all of them are there.
        """
        if len(self) <= rows:
            return self
        part = copy.copy(self)
        part._take(self.kind.feed.first(self.encoded, rows))
        part.parts = self.parts[: len(part.golds)]
        return part

    def batch(self, rows: Sequence[int]) -> Batch:
        """These examples, padded on the right with the ids that the tokenizer says."""
        wanted = [int(i) for i in rows]
        inputs = self.kind.feed.inputs(self.examples[wanted], self.tokenizer)
        labels = self.kind.feed.collate(self.labels[wanted], int(self.lengths[wanted].max()))
        return Batch(inputs, labels, np.array(wanted))

    def batches(self, size: int, start: int = 0) -> Iterator[Batch]:
        """All examples, sorted by length, at most ``size`` at a time; always the same batches.

        Args:
            size: examples of a batch.
            start: the first example; those before it are left out.
        """
        order = [one for one in np.argsort(self.lengths, kind="stable").tolist() if one >= start]
        for at in range(0, len(order), size):
            yield self.batch(order[at : at + size])

    def score(self, predictions: Any, golds: Any) -> float:
        """The task's metric on any rows, in points."""
        metric = metric_of(self.kind.about, self.spec.metric_name)
        return float(metric.points(predictions, golds, self.label_names, self.positive))  # type: ignore[arg-type]

    def scores(self, predictions: Any) -> dict[str, float]:
        """Every metric that the task names, on all rows, and on each part where there are several; in points.

        One that gives a number for each class stands there once for each: ``f1_per_class of positive``.
        """
        parts = {"": np.ones(len(self.golds), dtype=bool)}
        parts |= {f" on {part}": self.parts == part for part in dict.fromkeys(self.parts.tolist())}
        found: dict[str, float] = {}
        for name in self.spec.metric_names:
            metric = metric_of(self.kind.about, name)
            for part, chosen in parts.items():
                points = metric.points(predictions[chosen], self.golds[chosen], self.label_names, self.positive)
                each = points if isinstance(points, Mapping) else {"": points}
                told = self.spec.told(name)
                found |= {f"{told}{f' of {one}' if one else ''}{part}": value for one, value in each.items()}
        return found

    def best(self, name: str, values: Sequence[float]) -> float:
        """The best of some values of a metric, as ``scores`` names it: the least of an error, else the largest."""
        told = {self.spec.told(one): one for one in self.spec.metric_names}
        metric = next(told[one] for one in sorted(told, key=len, reverse=True) if name.startswith(one))
        return min(values) if metric_of(self.kind.about, metric).is_error else max(values)

    @torch.inference_mode()
    def evaluate(self, model: Any, size: int = 64, progress: Progress | None = None, sure: bool = False) -> Evaluation:
        """Ask a model, a body or a torch module, about all examples, in batches of ``size``; how ``sure``, if asked."""
        losses = np.zeros(len(self))
        found: list[Any] = [None] * len(self)
        shares: list[Any] = [None] * len(self)
        batches = (progress or Silent()).track(self.batches(size), "evaluating", -(-len(self) // size))
        with answering(model) as answer:
            for batch in batches:
                logits = self.kind.logits(answer(batch.inputs)).cpu()
                losses[batch.rows] = _losses(self, logits, batch).double().numpy()
                said = self.kind.predictions(logits, batch.labels)
                known = self.kind.confidences(logits, batch.labels) if sure else [None] * len(said)
                for row, prediction, share in zip(batch.rows, said, known, strict=True):
                    found[row], shares[row] = prediction, share
        predictions = self.kind.feed.gather(found, self.encoded, self.spec)
        scores = self.scores(predictions)
        metric = self.spec.told(self.spec.metric_name)
        told = self.kind.feed.sure(found, shares, self.encoded, self.spec) if sure else None
        return Evaluation(losses, predictions, self.golds, scores[metric], metric, scores, told)

    @torch.inference_mode()
    def heard(
        self, model: Any, voice: Voice, size: int = 16, batches: Iterable[Sequence[int]] | None = None
    ) -> list[Any]:
        """What a model, a body or a torch module, says of each example, as ``Voice.said`` needs it.

        Args:
            model: that is asked.
            voice: of its kind of task.
            size: examples at a time, in order.
            batches: which examples are asked about together, instead; each stands in one.
        """
        found: list[Any] = [None] * len(self)
        starts = range(0, len(self), size)
        together = batches or (range(start, min(start + size, len(self))) for start in starts)
        with answering(model) as answer:
            for rows in together:
                batch = self.batch(rows)
                said = voice.heard(self.kind.logits(answer(batch.inputs)).cpu(), batch.labels)
                for row, one in zip(rows, said, strict=True):
                    found[row] = one
        return found


def _losses(split: Split, logits: Tensor, batch: Batch) -> Tensor:
    """Loss per example of a batch, (batch,): against labels, or where rows have none the distance from the answers."""
    wanted = split.encoded.wanted
    if wanted is None:
        return split.kind.losses(logits, batch.labels)
    return split.kind.soft_losses(logits.float(), wanted.like(logits, batch.rows), batch.labels, 1.0)
