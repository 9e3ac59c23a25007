"""What a kind of task has to say: how rows become examples, outputs become losses and predictions, and the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from axkit.ground.errors import CheckpointError, DataError
from axkit.tasks.prepare import Job, list_lengths, prepared
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import HEADS, Kind, TaskSpec

Said = dict[str, Any] | list[dict[str, Any]]  # of one input: label -> probability, an answer; a tag for each word


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
        notes: per example, what :meth:`TaskKind.gather` needs to get back from examples to rows.
    """

    examples: Any
    lengths: Any
    labels: Any
    golds: Any
    at_limit: int
    notes: Sequence[Any] = ()


@dataclass(frozen=True)
class Constant:
    """One and the same answer to every row.

    Attributes:
        answer: in words: ``'0'``, ``no answer``.
        predictions: that answer, once per row.
    """

    answer: str
    predictions: Any


class TaskKind(ABC):
    """A kind of task; stateless.

    Class attributes:
        name: as in a TaskSpec.
        metrics: name -> function of (predictions, golds) of rows, in points.
        problem_type: of the transformers config.
        takes: how many texts a row may have.
        can_calibrate: True where ``calibrated`` is there.
        names_outputs: True where each output of the head stands for a label.
        predicts_numbers: True where an example's prediction is one number.
    """

    name: ClassVar[Kind]
    problem_type: ClassVar[str | None] = None
    takes: ClassVar[tuple[int, ...]] = (1, 2)
    can_calibrate: ClassVar[bool] = False
    names_outputs: ClassVar[bool] = True
    predicts_numbers: ClassVar[bool] = False
    metrics: ClassVar[dict[str, Callable[[Any, Any], float]]]

    @property
    def head(self) -> str:
        """The suffix of the transformers class: ``AutoModelFor<head>``."""
        return HEADS[self.name]

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
        """What a transformers model wants in training, besides its inputs."""
        return {"labels": labels}

    def logits(self, output: Any) -> Tensor:
        """The logits of a model's output, (batch, ...)."""
        return output.logits  # type: ignore[no-any-return]

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss per example: logits and collated labels -> (batch,), float32, not negative."""

    @abstractmethod
    def soft_losses(self, logits: Tensor, wanted: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Distance of two models' answers per example, for distillation (Hinton et al. 2015, section 2).

        Args:
            logits: of the model that learns.
            wanted: of its teacher, likewise.
            labels: collated; they say no more than where there is something to answer.
            temperature: > 0, of both distributions; the loss has its square as a factor, which keeps the gradients'
                size. Scores have none.

        Returns:
            (batch,), float32, not negative.
        """

    def calibrated(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits after the recalibration with the least loss that changes no decision; shape as given."""
        raise NotImplementedError(f"{type(self).__name__} knows no calibration")

    @abstractmethod
    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """One prediction per example; the labels say no more than where there is something to predict."""

    def gather(self, found: Sequence[Any], encoded: Encoded, spec: TaskSpec) -> Any:
        """Predictions of all examples, in order -> an array with one per row."""
        return np.array(found, dtype=encoded.golds.dtype)

    def first(self, encoded: Encoded, examples: int) -> Encoded:
        """The part with the first examples of a split that has more of them; by default each is a row.

        ``at_limit`` stays that of the whole split.
        """
        return part_of(encoded, examples, examples)

    def score(self, metric: str, predictions: Any, golds: Any, positive: int = 1) -> float:
        """A metric of rows, in points; ``positive`` is the class that F1 is of, where there are classes."""
        return self.metrics[metric](predictions, golds)

    def asked(self, texts: tuple[str, ...], names: tuple[str, ...]) -> SplitRows:
        """A split with one row of which nobody knows the label; by default its label is 0.

        Raises:
            DataError: the texts are no row.
        """
        return SplitRows([texts], np.zeros(1, np.int64), names)

    def heard(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """What :meth:`said` needs, per example; by default its logits, (outputs,)."""
        return list(logits.float())

    @abstractmethod
    def said(self, heard: Sequence[Any], encoded: Encoded, spec: TaskSpec, rows: SplitRows) -> Said:
        """What a model says of one row (``axkit predict``).

        Args:
            heard: of its examples.
            encoded: the split that :meth:`asked` made.
            spec: of the task.
            rows: that split before, with the names of the outputs.
        """

    def was_cut(self, texts: tuple[str, ...], reader: Any, limit: int, encoded: Encoded) -> bool:
        """Whether some of the row that :meth:`asked` made is not read."""
        return len(reader(*texts, verbose=False)["input_ids"]) > limit

    @abstractmethod
    def outputs(self, label_names: tuple[str, ...]) -> int:
        """The number of outputs the head has."""

    @abstractmethod
    def majority(self, train_labels: Any, golds: Any) -> Any:
        """What a model would predict that has only seen the training labels; one per gold."""

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Predictions of a model whose label ``i`` is label ``order[i]`` here; by default they hold no numbers."""
        return predictions

    @abstractmethod
    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """Answers that need no look at a row; for each of the metrics, the best there is for these rows is among them.

        Args:
            golds: of the rows.
            names: of the labels, where they have any.
        """

    @abstractmethod
    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The answer, in words, that all rows were given; empty where there are several, or one row."""


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


def divergence(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """KL(wanted || logits) over the last dimension at a temperature, times its square: (..., classes) -> (...).

    A class at minus infinity in both is left out.
    """
    ours, theirs = ((part.float() / temperature).log_softmax(-1) for part in (logits, wanted))
    there = theirs > float("-inf")
    apart = theirs.exp() * (theirs.where(there, 0.0) - ours.where(there, 0.0))
    return apart.sum(-1) * temperature**2


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


def objects(values: Sequence[Any]) -> Any:
    """An object array of any values, (n,); numpy would make a table of tuples of like length."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def named(label: int, names: Sequence[str]) -> str:
    """A label in words."""
    return f"'{names[label] if label < len(names) else label}'"
