"""The half of a kind of task that computes: outputs to losses and predictions, and what feeds and asks a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from axkit.tasks.kinds.feed import Encoded as Encoded
from axkit.tasks.kinds.feed import Feed
from axkit.tasks.kinds.kind import Kind
from axkit.tasks.kinds.voice import Said as Said
from axkit.tasks.kinds.voice import Voice


class TaskKind(ABC):
    """A kind of task, where it computes; stateless.

    Attributes:
        about: what planning asks of it.
        feed: rows to batches, and predictions back to rows.
        voice: what a model says of one input.
        can_calibrate: True where ``calibrated`` is there.
        predicts_numbers: True where an example's prediction is one number.
    """

    about: ClassVar[Kind]
    feed: ClassVar[Feed] = Feed()
    voice: ClassVar[Voice]
    can_calibrate: ClassVar[bool] = False
    predicts_numbers: ClassVar[bool] = False

    def logits(self, output: Mapping[str, Tensor]) -> Tensor:
        """The logits of a model's named outputs, (batch, ...)."""
        return output["logits"]

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

    def outcomes(self, logits: Tensor) -> Tensor:
        """The logits of each distribution that the outputs describe, (batch, ..., outcomes); by default as they are."""
        return logits

    def gaps(self, logits: Tensor) -> Tensor | None:  # an override is optional
        """How far each example's logits are from another prediction, (batch,), in their own unit and not negative.

        Whoever computes in 16 bits asks it: a prediction far from another is the same in both. It goes with
        ``predictions``; override both or none. None where any change of the logits is another prediction.
        """
        return None

    def confidences(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """How sure the model is of what it says, per example: probabilities, 0..1; by default nobody knows (None).

        What ``Feed.sure`` makes of them is for the report alone.
        """
        return [None] * len(logits)

    @abstractmethod
    def predictions(self, logits: Tensor, labels: Tensor) -> Sequence[Any]:
        """One prediction per example; the labels say no more than where there is something to predict."""


def divergence(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """KL(wanted || logits) over the last dimension at a temperature, times its square: (..., classes) -> (...).

    A class at minus infinity in both is left out.
    """
    ours, theirs = ((part.float() / temperature).log_softmax(-1) for part in (logits, wanted))
    there = theirs > float("-inf")
    apart = theirs.exp() * (theirs.where(there, 0.0) - ours.where(there, 0.0))
    return apart.sum(-1) * temperature**2
