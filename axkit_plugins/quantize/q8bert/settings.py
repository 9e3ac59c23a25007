"""Settings of ``q8bert``. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from axkit.kit import SKIP_HELP, SkipRole, TrainingConfig


class Q8bertConfig(TrainingConfig):
    """Settings of ``q8bert``: those of training, and what is rounded."""

    ema_decay: float = Field(
        0.98, ge=0, lt=1, description="Of the moving average of each layer's largest input, per step."
    )
    embeddings: bool = Field(True, description="Round the embeddings too.")
    skip: list[SkipRole] = Field(default=[], description=SKIP_HELP)
