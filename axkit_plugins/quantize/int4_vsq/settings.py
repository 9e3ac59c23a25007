"""Settings of ``int4_vsq``. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from axkit import PassConfig
from axkit.kit import SKIP_HELP, SkipRole


class Int4VsqConfig(PassConfig):
    """Settings of ``int4_vsq``; the defaults store 4.4 bits per weight (at 768 inputs)."""

    vector: int = Field(16, ge=4, le=256, description="Inputs that share a scale; the paper's is 16.")
    scale_bits: int = Field(
        6, ge=2, le=8, description="Of each vector's integer scale; a row's float scale comes on top."
    )
    rows: int = Field(128, ge=0, description="Training rows whose inputs weigh the errors; 0 weighs all inputs alike.")
    embeddings: bool = Field(True, description="Store the embeddings in 4 bits too.")
    skip: list[SkipRole] = Field(default=["head"], description=SKIP_HELP)
    activation_bits: int | None = Field(
        None,
        ge=3,
        le=8,
        description="Simulate activations of this many bits, scaled per token and vector; not faster.",
    )
    keep_float: bool = Field(
        False, description="Expand once, at the first call: as fast as float32, and as big in memory."
    )
