"""Settings of ``int8``. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from axkit import PassConfig
from axkit.kit import SKIP_HELP, SkipRole


class Int8Config(PassConfig):
    """Settings of ``int8``."""

    embeddings: bool = Field(True, description="Store the embeddings in 8 bits too, with a scale for each row.")
    skip: list[SkipRole] = Field(default=[], description=SKIP_HELP)
    activations: Literal["auto", "dynamic", "static"] = Field(
        "auto", description="One scale per call, or one for all calls; auto: those that q8bert learned, else per call."
    )
    calibration: Literal["percentile", "ema"] = Field(
        "percentile", description="Static scales from percentiles of the inputs, or moving averages of their extremes."
    )
    calibration_rows: int = Field(256, ge=1, description="Training rows that static scales are taken from.")
    sensitivity_rows: int = Field(
        32, ge=0, description="Search rows on which each layer is tried in 8 bits alone, for the record; 0: not tried."
    )
    beside_bfloat16: bool = Field(
        True, description="Time a bfloat16 copy too, where the processor has bfloat16: int8 must be worth its loss."
    )
    reduce_range: bool = Field(
        False,
        description="Weights in 7 bits: on x86 processors without VNNI no sum saturates, whatever runs the model.",
    )
    saturation_rows: int = Field(
        32, ge=0, description="Training rows on which sums are counted that would saturate there; 0: not counted."
    )
    max_drop: float | None = Field(
        None, ge=0, description="Points on search; the most sensitive layers stay in float until no more is lost."
    )

    @model_validator(mode="after")
    def _a_table_to_go_by(self) -> Int8Config:
        if self.max_drop is not None and not self.sensitivity_rows:
            raise ValueError(
                "'max_drop', or a budget, goes by the sensitivity of the layers; give 'sensitivity_rows' above 0"
            )
        return self
