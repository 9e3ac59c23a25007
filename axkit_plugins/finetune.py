"""``finetune``: train the weights on the task with transformers' Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Pass, Result, Tools
from axkit.kit import TrainingConfig, training_effort

if TYPE_CHECKING:
    from axkit import Effort, Subject, Workload


class FinetuneConfig(TrainingConfig):
    """Settings of ``finetune``."""

    refit: Literal["current", "pretrained"] = Field(
        "current",
        description="Start from the current weights, or from the model's own before this recipe, carved alike.",
    )


class Finetune(Pass[FinetuneConfig]):
    """Train all weights, or some, on the task's training split; the last step's weights are kept."""

    Config = FinetuneConfig
    purpose = "the trained model that a run starts from, and training between other passes"
    needs = frozenset({"train"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})
    trains = True
    extra = "train"
    packages = ("accelerate",)
    paper = "Devlin et al. 2018, arXiv 1810.04805, appendix A.3; refit: AxFormer, arXiv 2010.03688"

    def foresee_effort(self, config: FinetuneConfig, work: Workload) -> Effort:
        """Of a training."""
        return training_effort(config, work)

    def apply(self, subject: Subject, config: FinetuneConfig, tools: Tools) -> Result:
        """Train in place."""
        from axkit.kit import start_from_pretrained, train_model

        if config.refit == "pretrained":
            start_from_pretrained(subject, tools.model_folder)
        facts = train_model(subject.module, config, tools)
        return Result(facts=facts)
