"""Settings that passes which train share. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from axkit.contract.passes import PassConfig


class TrainingConfig(PassConfig):
    """Settings of every pass that trains; the defaults are those of the BERT paper for small tasks."""

    epochs: float = Field(3.0, gt=0, le=100, description="Passes over the training split.")
    learning_rate: float = Field(5e-5, gt=0, le=0.1, description="Peak of AdamW's learning rate.")
    batch_size: int = Field(32, ge=1, le=4096, description="Rows per step.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps over which the rate rises from 0.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's decoupled weight decay.")
    freeze: Literal["nothing", "embeddings", "encoder"] = Field(
        "nothing", description="What keeps its weights: nothing, the embeddings, or all but the head."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the matrix products in training; auto is bfloat16 where the processor has it."
    )
    checkpoint: float = Field(
        60.0,
        ge=0,
        le=86400,
        description="Seconds between checkpoints, from which a training goes on when its run was killed; 0 for none.",
    )


class DistillationConfig(TrainingConfig):
    """Settings of every pass that distills; each loss has a weight, and 0 leaves it out."""

    teacher: str = Field(
        "dense", min_length=1, description="The dense model of the run, or a folder or hub id of a trained one."
    )
    temperature: float = Field(2.0, gt=0, le=100, description="Of the soft labels, of student and teacher alike.")
    soft: float = Field(
        1.0,
        ge=0,
        le=1e3,
        description="Weight of the soft labels: KL to the teacher's at the temperature, times its square (per token, "
        "start and end, or label, as the task has it); for regression the squared distance to the teacher's score.",
    )
    hard: float = Field(0.0, ge=0, le=1e3, description="Weight of the task's own loss on the labels.")
    cosine: float = Field(0.0, ge=0, le=1e3, description="Weight of 1 - cosine between hidden states, per layer.")
    hidden: float = Field(0.0, ge=0, le=1e3, description="Weight of the squared distance of hidden states, per layer.")
    attention: float = Field(
        0.0, ge=0, le=1e3, description="Weight of the squared distance of attention scores, per layer and kept head."
    )
    layers: dict[int, int] | list[int] | None = Field(
        None,
        min_length=1,
        description="Which layers are compared: a map {student: teacher} of layers counted from 0 in their dense "
        "models, or the teacher's layer for each layer that is left; by default each with the teacher's layer whose "
        "output the next layer that is left was made to read.",
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        """JSON has the keys of a map as texts."""
        if isinstance(value, dict):
            return {int(k) if isinstance(k, str) and k.isdecimal() else k: v for k, v in value.items()}
        return value
