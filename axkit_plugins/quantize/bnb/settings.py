"""Settings of bitsandbytes' passes. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from axkit import PassConfig
from axkit.kit import SKIP_HELP, SkipRole


class Int4BnbConfig(PassConfig):
    """Settings of ``int4_bnb``."""

    quant_type: Literal["nf4", "fp4"] = Field("nf4", description="Codes for normally distributed weights, or floats.")
    skip: list[SkipRole] = Field(default=["head"], description=SKIP_HELP)


class Int8BnbConfig(PassConfig):
    """Settings of ``int8_bnb``."""

    threshold: float = Field(
        6.0, ge=0, description="Input columns with a larger value are computed in float (outliers); 0 is none."
    )
    skip: list[SkipRole] = Field(default=["head"], description=SKIP_HELP)
