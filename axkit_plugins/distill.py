"""``distill``: train the model to do as a teacher does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, NotApplicable, Pass, Result, Tools
from axkit_plugins.training import TrainingConfig

if TYPE_CHECKING:
    from axkit import Family, Subject


class DistillConfig(TrainingConfig):
    """Settings of ``distill``; each loss has a weight, and 0 leaves it out."""

    teacher: str = Field(
        "dense", min_length=1, description="The dense model of the run, or a folder or hub id of a trained one."
    )
    temperature: float = Field(2.0, gt=0, le=100, description="Of the soft labels, of student and teacher alike.")
    soft: float = Field(
        1.0,
        ge=0,
        le=1e3,
        description="Weight of the soft labels: KL to the teacher's at the temperature, times its square; for "
        "regression the squared distance to the teacher's score.",
    )
    hard: float = Field(0.0, ge=0, le=1e3, description="Weight of the task's own loss on the labels.")
    cosine: float = Field(0.0, ge=0, le=1e3, description="Weight of 1 - cosine between hidden states, per layer.")
    hidden: float = Field(0.0, ge=0, le=1e3, description="Weight of the squared distance of hidden states, per layer.")


class Distill(Pass[DistillConfig]):
    """Knowledge distillation into the current model, whatever earlier passes have left of it.

    Hidden states are compared layer by layer, by the layers' indices in the dense model, where both still have the
    layer; the teacher has to be of the same width for that.
    """

    Config = DistillConfig
    needs = frozenset({"train", "teacher"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})
    trains = True
    extra = "train"
    packages = ("accelerate",)
    paper = (
        "Hinton et al. 2015, arXiv 1503.02531 (soft labels); Sanh et al. 2019, arXiv 1910.01108 (cosine, DistilBERT); "
        "Jiao et al. 2020, arXiv 1909.10351 (hidden states, TinyBERT)"
    )

    def check(self, family: Family, config: DistillConfig) -> None:
        """Some loss must have a weight."""
        if not any((config.soft, config.hard, config.cosine, config.hidden)):
            raise NotApplicable("all its weights are 0: give 'soft', 'hard', 'cosine' or 'hidden' a weight above 0")

    def apply(self, subject: Subject, config: DistillConfig, tools: Tools) -> Result:
        """Train in place."""
        from axkit_plugins.training import distillation

        return Result(facts=distillation.distill(subject, config, tools))
