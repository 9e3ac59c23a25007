"""What training passes share: their settings here, the loop in ``loop``. This file imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from axkit import PassConfig


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
