"""How much of a task's data is used."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Samples(BaseModel):
    """How many rows of each split to use; a fixed, hash-chosen subset. None is all."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    train: int | None = Field(None, ge=1)
    search: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)
