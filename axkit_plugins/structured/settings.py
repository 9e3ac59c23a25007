"""Settings of ``structured``. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from axkit import PassConfig


class StructuredConfig(PassConfig):
    """Settings of ``structured``; ``ratio``, ``bytes`` or ``speedup`` says how much goes."""

    ratio: float | None = Field(None, gt=0, lt=1, description="Share of the encoder layers' parameters to remove.")
    bytes: float | None = Field(
        None, gt=0, lt=1, description="Share of all weight bytes to remove, embeddings counted, from the layers alone."
    )
    speedup: float | None = Field(
        None, gt=1, le=100, description="Times as fast as the dense model, measured here: no more goes than that needs."
    )
    timed_rows: Literal[1, 32] = Field(
        32, description="1: 'speedup' is of latency, one row at a time; 32: of throughput, as many as the target says."
    )
    what: Literal["heads_and_neurons", "heads", "neurons", "layers"] = Field(
        "heads_and_neurons", description="What may go."
    )
    importance: Literal["magnitude", "taylor", "fisher", "obs"] = Field(
        "taylor",
        description="Squared weights; weight times gradient; squared weight times Fisher information; or what is still "
        "missed when the rest has been refitted (Optimal Brain Surgeon), which needs no labels.",
    )
    mend: bool = Field(
        False,
        description="Refit the output projection of every block, in closed form, to what it gave before the cut.",
    )
    mend_rows: int = Field(
        1024,
        ge=1,
        description="Training rows, without their labels, that 'obs' and 'mend' look at; 'mend' at four times as "
        "many for a last layer that computes one token of each.",
    )
    scope: Literal["uniform", "global"] = Field(
        "global", description="The same share of every layer, or the least important wherever; layers: always global."
    )
    rows: int = Field(256, ge=1, description="Training rows that gradients are taken on; magnitude needs none.")
    at_least: float = Field(0.1, ge=0, le=1, description="Share of its heads, and of its neurons, that a layer keeps.")
    round_to: int = Field(1, ge=1, description="Kept neurons per layer become a multiple of this; kernels like 32.")

    @property
    def parts(self) -> tuple[Literal["heads", "neurons"], ...]:
        """What goes one by one; nothing where layers go."""
        parts: tuple[Literal["heads", "neurons"], ...] = ("heads", "neurons")
        return tuple(part for part in parts if part in self.what)

    @model_validator(mode="after")
    def _one_of_two(self) -> StructuredConfig:
        if sum(target is not None for target in (self.ratio, self.bytes, self.speedup)) != 1:
            raise ValueError("give one of 'ratio' and 'bytes', shares to remove such as 0.3, or 'speedup' such as 1.5")
        return self
