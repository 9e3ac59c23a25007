"""Settings of ``gptq``. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from axkit import PassConfig
from axkit.kit import SKIP_HELP, SkipRole


class GptqConfig(PassConfig):
    """Settings of ``gptq``; the defaults store 4.25 bits per linear weight."""

    group: int = Field(128, ge=8, le=4096, description="Inputs that share a scale; the last group may be shorter.")
    rows: int = Field(128, ge=1, description="Training rows that weights are calibrated on.")
    damping: float = Field(0.1, gt=0, lt=1, description="Share of the mean diagonal added to each layer's Hessian.")
    skip: list[SkipRole] = Field(default=[], description=f"{SKIP_HELP} The head stays in float in any case.")
