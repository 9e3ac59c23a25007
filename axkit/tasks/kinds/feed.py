"""How a kind of task feeds a model: rows to examples, examples to batches, predictions of examples back to rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axkit.ground.errors import CheckpointError, DataError
from axkit.tasks.kinds.wanted import Wanted
from axkit.tasks.prepare import Job, list_lengths, prepared
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Encoded:
    """A split, tokenized.

    Attributes:
        examples: what the model is given, before padding: a ``datasets.Dataset`` with a column for each input. One
            per row, or several where a row is longer than the model takes (windows).
        lengths: of the examples, in tokens; int64.
        labels: per example, what the loss needs.
        golds: per row, what the metrics compare with.
        at_limit: examples that may have lost tokens to the limit.
        notes: per example, what ``Feed.gather`` needs to get back from examples to rows.
        wanted: what the dense model says of each example, where its answers stand in the place of labels.
    """

    examples: Any
    lengths: Any
    labels: Any
    golds: Any
    at_limit: int
    notes: Sequence[Any] = ()
    wanted: Wanted | None = None


class Feed:
    """By default a row is one example: its texts, truncated, padded on the right; its label is one number."""

    def limit(self, spec: TaskSpec, model: int) -> int:
        """Tokens of an example, at most, for a model that can take ``model``."""
        return min(spec.max_length, model)

    def encode(self, rows: SplitRows, job: Job) -> Encoded:
        """Tokenize; by default one example per row, truncated to ``job.limit`` tokens."""
        names = input_names(job.reader)
        examples = prepared(rows, self.examples, {name: column_type(name) for name in names}, job)
        lengths = whole(list_lengths(examples, "input_ids"))
        return Encoded(examples, lengths, rows.labels, rows.labels, int((lengths >= job.limit).sum()))

    def examples(self, texts: list[tuple[Any, ...]], labels: Any, first: int, job: Job) -> dict[str, list[Any]]:
        """The examples of some rows, by column (see ``prepare.prepared``)."""
        columns = [list(column) for column in zip(*texts, strict=True)]
        encoded = job.reader(*columns, truncation=True, max_length=job.limit)
        return {name: encoded[name] for name in input_names(job.reader)}

    def inputs(self, examples: dict[str, list[Any]], reader: Any) -> dict[str, Tensor]:
        """What the model's forward takes, of some examples; by default padded by the tokenizer, with a mask.

        Padded on the right, whichever side the tokenizer would take: positions count from the first token, heads read
        that one, and labels stand beside it. On the left a row's answer would depend on the batch that it is in.
        """
        padded = reader.pad(examples, padding_side="right", return_attention_mask=True, return_tensors="pt")
        return dict(padded)

    def collate(self, labels: Sequence[Any], tokens: int) -> Tensor:
        """Labels of some examples as one tensor, (batch, ...); ``tokens`` is the padded length."""
        return torch.as_tensor(np.asarray(labels))

    def targets(self, labels: Tensor) -> dict[str, Tensor]:
        """What a transformers model wants in training, besides its inputs, of collated labels."""
        return {"labels": labels}

    def gather(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """Predictions of all examples, in order -> an array with one per row."""
        return np.array(found, dtype=encoded.golds.dtype)

    def row_numbers(self, encoded: Encoded) -> Sequence[int]:
        """The row of each example; by default each is one."""
        return range(len(encoded.lengths))

    def sure(self, found: Sequence[Any], shares: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Sequence[Any]:
        """How sure a model is of each row's answer: one value per row.

        Args:
            found: predictions of all examples, in order.
            shares: what ``TaskKind.confidences`` gave for them; by default this is what is returned.
            encoded: the split.
            spec: of the task.
        """
        return shares

    def answers(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """Predictions of all examples, in order -> an array as ``SplitRows.labels`` has it, one per row.

        What takes the place of labels where rows have none; by default what ``gather`` gives.
        """
        return self.gather(found, encoded, spec)

    def first(self, encoded: Encoded, examples: int) -> Encoded:
        """The part with the first examples of a split that has more of them; by default each is a row.

        ``at_limit`` stays that of the whole split.
        """
        return part_of(encoded, examples, examples)


def part_of(encoded: Encoded, examples: int, rows: int) -> Encoded:
    """The first examples, which are those of the first rows."""
    return replace(
        encoded,
        examples=encoded.examples.select(range(examples)),
        lengths=encoded.lengths[:examples],
        labels=encoded.labels[:examples],
        golds=encoded.golds[:rows],
        notes=encoded.notes[:examples],
    )


def whole(lengths: Any) -> Any:
    """Lengths of examples as given, where each has a token.

    Raises:
        DataError: the first that has none; a tokenizer without special tokens may drop all of a text.
    """
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        raise DataError(
            f"{len(empty)} texts give the tokenizer no token (example {empty[0] + 1} first); drop those rows or take a "
            f"tokenizer that has an unknown token"
        )
    return lengths


def need_offsets(tokenizer: Any, kind: str) -> None:
    """Refuse a tokenizer that cannot tell which characters a piece comes from.

    Raises:
        CheckpointError: it is written in Python ("slow").
    """
    if not getattr(tokenizer, "is_fast", False):
        raise CheckpointError(
            f"{kind} needs a tokenizer that tells the characters of each piece, and {type(tokenizer).__name__} is a "
            f"slow one that does not; save the model with a fast tokenizer (tokenizer.json)"
        )


def input_names(tokenizer: Any) -> list[str]:
    """The inputs that a tokenizer makes, in its order."""
    made = tokenizer("a")
    return [name for name in tokenizer.model_input_names if name in made]


def column_type(name: str) -> str:
    """The Arrow type of a model's input."""
    return "int8" if name in ("attention_mask", "token_type_ids") else "int32"
