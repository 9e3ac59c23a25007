"""Settings that both passes of AxFormer share. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from axkit.contract.passes import PassConfig

BUDGET_ROWS = 512  # of the search split that a candidate of a budget search is looked at on; rounds are judged on all


class SearchConfig(PassConfig):
    """How candidates are judged; the defaults are the paper's."""

    vote: float = Field(0.5, ge=0, lt=1, description="Share of samples that must not get worse.")
    criterion: Literal["loss", "calibrated_loss", "metric"] = Field(
        "loss",
        description="What must fall: the mean loss; the mean loss after the best temperature, so that confidence "
        "alone decides nothing; or the error, 1 - metric / 100.",
    )
    guard: Literal["none", "confirm", "paired_test"] = Field(
        "none",
        description="Against fitting the search rows: nothing; each candidate must also be better on a quarter of the "
        "rows, the quarters taking turns; or a paired test must say so at a level corrected for the number of looks.",
    )
    guard_level: float = Field(
        0.05, gt=0, lt=1, description="Level of the paired test over all looks together (Bonferroni)."
    )
    screening: Literal["auto", "none"] = Field(
        "auto",
        description="auto refuses clear losers in bfloat16 where the processor has it; what is accepted is always "
        "evaluated in float32.",
    )
    cache_gib: float = Field(
        2.0,
        ge=0,
        le=4096,
        description="Memory for cached hidden states, in GiB; past it they go to files in "
        "the folder for temporary files, or in AXKIT_TEMP.",
    )
