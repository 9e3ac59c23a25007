"""``distill``: train the model to do as a teacher does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    TEACHER_TOKENS,
    TORCH_MODULE,
    NotApplicable,
    Pass,
    Result,
    Tools,
    model_config,
)
from axkit.kit import DistillationConfig, training_effort

if TYPE_CHECKING:
    from axkit import Effort, Family, Subject, Workload


class DistillConfig(DistillationConfig):
    """Settings of ``distill``; each loss has a weight, and 0 leaves it out."""


class Distill(Pass[DistillConfig]):
    """Knowledge distillation into the current model, whatever earlier passes have left of it.

    Hidden states and attention are compared layer by layer. The map is derived from what is left of the student: see
    ``axkit.kit.layer_map``.
    """

    Config = DistillConfig
    purpose = "winning back what a structural pass lost, or learning from another trained model"
    needs = frozenset({"train", "teacher"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, TEACHER_TOKENS})
    trains = True
    extra = "train"
    packages = ("accelerate",)
    paper = (
        "Hinton et al. 2015, arXiv 1503.02531 (soft labels); Sanh et al. 2019, arXiv 1910.01108 (cosine, DistilBERT); "
        "Jiao et al. 2020, arXiv 1909.10351 (hidden states, attention scores, layer map: TinyBERT)"
    )

    def check(self, family: Family, config: DistillConfig) -> None:
        """Some loss must have a weight, attention must be visible, and the teacher must be there."""
        if not any((config.soft, config.hard, config.cosine, config.hidden, config.attention)):
            raise NotApplicable(
                "all its weights are 0: give 'soft', 'hard', 'cosine', 'hidden' or 'attention' a weight above 0"
            )
        if config.layers is not None and not any((config.cosine, config.hidden, config.attention)):
            raise NotApplicable(
                "'layers' pairs layers, and none is compared: give 'cosine', 'hidden' or 'attention' one"
            )
        if config.attention and "attention_dropout" in family.roles:  # past transformers' attention interface
            raise NotApplicable(f"the attention scores of {family.model_type} cannot be seen; leave 'attention' at 0")
        if config.teacher != "dense":
            model_config(config.teacher)

    def models(self, config: DistillConfig) -> tuple[str, ...]:
        """The teacher's folder, name or hub id."""
        return () if config.teacher == "dense" else (config.teacher,)

    def needs_of(self, config: DistillConfig) -> frozenset[str]:
        """A teacher of its own spares the dense model."""
        return self.needs if config.teacher == "dense" else self.needs - {"teacher"}

    def foresee_effort(self, config: DistillConfig, work: Workload) -> Effort:
        """Of a training; the teacher is asked once, or at each step where layers are compared."""
        at_each_step = config.cosine or config.hidden or config.attention
        asked = config.epochs if at_each_step else float(config.soft > 0)
        return training_effort(config, work, answered=asked * work.rows["train"])

    def apply(self, subject: Subject, config: DistillConfig, tools: Tools) -> Result:
        """Train in place."""
        from axkit.kit import distill_model

        return Result(facts=distill_model(subject, config, tools))
