"""Tokenized rows: batches of like lengths, and the score of a model on them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.progress import Progress, Silent
from axkit.tasks.kinds import TaskKind
from axkit.tasks.rows import SplitRows
from axkit.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Batch:
    """Some rows of a split, padded to the longest of them.

    Attributes:
        inputs: what the model's forward takes, each (batch, tokens).
        labels: (batch,).
        rows: their indices in the split, (batch,).
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    rows: Any

    @property
    def is_padded(self) -> bool:
        """True when some row is shorter than the longest."""
        return not bool(self.inputs["attention_mask"].all())


@dataclass(frozen=True)
class Evaluation:
    """A model on a split.

    Attributes:
        losses: per row, in the order of the split, float64.
        predictions: per row.
        labels: per row.
        score: the task's metric, in points.
        metric: its name.
    """

    losses: Any
    predictions: Any
    labels: Any
    score: float
    metric: str

    @property
    def loss(self) -> float:
        """Mean over rows."""
        return float(self.losses.mean())


class Split:
    """One split of a task, tokenized for one model.

    Args:
        rows: texts and labels.
        spec: of the task.
        kind: of the task.
        tokenizer: of the model.
        max_tokens: what the model can take; the task's own ``max_length`` may be less.
    """

    def __init__(self, rows: SplitRows, spec: TaskSpec, kind: TaskKind, tokenizer: Any, max_tokens: int) -> None:
        self.kind, self.spec, self.tokenizer = kind, spec, tokenizer
        limit = min(spec.max_length, max_tokens)
        columns = [list(column) for column in zip(*rows.texts, strict=True)]
        encoded = tokenizer(*columns, truncation=True, max_length=limit)
        names = [name for name in tokenizer.model_input_names if name in encoded]
        self.examples: list[dict[str, list[int]]] = [
            {name: encoded[name][i] for name in names} for i in range(len(rows))
        ]
        self.labels = rows.labels
        self.lengths = np.array([len(example["input_ids"]) for example in self.examples])
        self.at_limit = int((self.lengths >= limit).sum())

    def __len__(self) -> int:
        return len(self.examples)

    def first(self, rows: int) -> Split:
        """Its first rows, which are a random part of it; itself where it has no more."""
        if len(self) <= rows:
            return self
        part = copy.copy(self)
        part.examples, part.labels, part.lengths = self.examples[:rows], self.labels[:rows], self.lengths[:rows]
        return part

    def batch(self, rows: Sequence[int]) -> Batch:
        """These rows, padded on the side and with the ids that the tokenizer says."""
        padded = self.tokenizer.pad([self.examples[i] for i in rows], return_tensors="pt")
        return Batch(dict(padded), torch.as_tensor(self.labels[list(rows)]), np.array(rows))

    def batches(self, size: int, cuts: Sequence[int] = ()) -> Iterator[Batch]:
        """All rows, sorted by length; always the same batches for the same arguments.

        Args:
            size: rows per batch, at most.
            cuts: no batch holds rows both of at most and of more than ``cut`` tokens.
        """
        order = np.argsort(self.lengths, kind="stable").tolist()
        bounds = sorted(cuts)
        start = 0
        while start < len(order):
            stop = min(start + size, len(order))
            for cut in bounds:
                inside = [i for i in order[start:stop] if self.lengths[i] <= cut]
                if inside and len(inside) < stop - start:
                    stop = start + len(inside)
            yield self.batch(order[start:stop])
            start = stop

    def score(self, predictions: Any, labels: Any) -> float:
        """The task's metric on any rows, in points."""
        return self.kind.metrics[self.spec.metric_name](predictions, labels)

    @torch.inference_mode()
    def evaluate(self, model: Any, size: int = 64, progress: Progress | None = None) -> Evaluation:
        """Run the model, in eval mode, over all rows, in batches of ``size``."""
        training, losses, predictions = model.training, np.zeros(len(self)), np.zeros(len(self), self.labels.dtype)
        model.eval()
        batches = (progress or Silent()).track(self.batches(size), "evaluating", -(-len(self) // size))
        for batch in batches:
            logits = model(**batch.inputs).logits
            losses[batch.rows] = self.kind.losses(logits, batch.labels).double().numpy()
            predictions[batch.rows] = self.kind.predictions(logits).numpy()
        model.train(training)
        score = self.score(predictions, self.labels)
        return Evaluation(losses, predictions, self.labels, score, self.spec.metric_name)
