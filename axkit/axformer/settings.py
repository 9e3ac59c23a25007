"""Settings of the two passes of AxFormer. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from axkit.contract.passes import InnerStep, PassConfig

BUDGET_ROWS = 512  # of the search split that a candidate of a budget search is looked at on; rounds are judged on all
NO_DIVERGENCE = "is for objective budget: by the paper's rule nothing is nearer to the dense model than it is; use loss"
OF_OBJECTIVE = {  # settings that do nothing under the other one
    "accuracy": ("tolerance", "vote", "guard", "guard_level", "search_rows", "groups"),
    "budget": ("speedup", "size", "recover", "rounds", "confidence", "max_drop"),
}
FRESH = 5  # where a search has more rows than it takes, a fifth of them at least is kept to confirm on
NO_LABELS = "asks for better answers than the dense model's, and those are the labels here; "
Kept = Annotated[int, Field(ge=1, le=8192)] | Annotated[float, Field(gt=0, lt=1)]


class SearchConfig(PassConfig):
    """How candidates are judged; the defaults are the paper's."""

    vote: float = Field(0.5, ge=0, lt=1, description="Share of samples that must not get worse.")
    criterion: Literal["loss", "calibrated_loss", "metric", "divergence"] = Field(
        "loss",
        description="What must fall: the mean loss; the mean loss after the best temperature, so that confidence "
        "alone decides nothing; the error, 1 - metric / 100; or, for objective budget, how far the answers are from "
        "the dense model's, which asks for no label. Where rows have none, both losses are that distance.",
    )
    guard: Literal["none", "confirm", "paired_test"] = Field(
        "none",
        description="Against fitting the search rows: nothing; each candidate must also be better on a quarter of the "
        "rows, the quarters taking turns; or a paired test must say so at a level corrected for the number of looks.",
    )
    guard_level: float = Field(
        0.05, gt=0, lt=1, description="Level of the paired test over all looks together (Bonferroni)."
    )
    search_rows: int = Field(
        4096,
        ge=1,
        description="Rows of the search split that candidates are looked at on, chosen by their hashes. Where there "
        "are more, whoever is accepted must also pass on up to as many others.",
    )
    screening: Literal["auto", "none"] = Field(
        "auto",
        description="auto refuses clear losers in bfloat16 where the processor has it; what is accepted is always "
        "evaluated in float32. Levels of a budget are looked at in bfloat16 there; its rounds are judged in "
        "float32.",
    )
    cache_gib: float = Field(
        2.0,
        ge=0,
        le=4096,
        description="Memory for cached hidden states, in GiB; past it they go to files in "
        "the folder for temporary files, or in AXKIT_TEMP.",
    )


def chosen_on(rows: int, most: int) -> int:
    """How many rows of a search split candidates are chosen on: all, or so few that enough are left to confirm on.

    Args:
        rows: of the split.
        most: of these (``search_rows``).
    """
    return rows if rows <= most else min(most, rows - -(-rows // FRESH))


def split_up(rows: int, most: int) -> tuple[int, int]:
    """Rows to choose on, and rows to confirm on (see ``chosen_on``)."""
    chosen = chosen_on(rows, most)
    return chosen, min(rows - chosen, most)


class HardAttentionConfig(SearchConfig):
    """Settings of ``hard_attention``; the defaults are the paper's."""

    # divergence is for a budget: by the paper's rule nothing is nearer to the dense model than it is
    criterion: Literal["loss", "calibrated_loss", "metric"] = Field(
        "loss",
        description="What must fall: the mean loss; the mean loss after the best temperature, so that confidence "
        "alone decides nothing; or the error, 1 - metric / 100.",
    )
    k: Kept | Annotated[list[Kept], Field(min_length=1, max_length=16)] = Field(
        30,
        description="Probabilities kept per head and query: a number, a share of the tokens (0..1), or a list of "
        "these to try on each layer in this order, each against the best so far.",
    )

    @property
    def choices(self) -> list[int | float]:
        """Always a list."""
        return list(self.k) if isinstance(self.k, list) else [self.k]


class AxformerPruneConfig(SearchConfig):
    """Settings of ``axformer_prune``; the defaults are the paper's."""

    objective: Literal["accuracy", "budget"] = Field(
        "accuracy",
        description="accuracy: the paper's, remove what makes the model no worse. budget: remove what buys most "
        "measured time or bytes per loss, until 'speedup' and 'size' are reached or 'max_drop' is spent.",
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="accuracy: share of the dense search loss that all removals together may cost; the paper's is 0.",
    )
    groups: int = Field(12, ge=1, le=4096, description="accuracy: equal groups of neurons, tried one by one.")
    first_token_only: bool = Field(
        True, description="Compute the last layer for the first token alone, where the head reads no other; exact."
    )
    speedup: float | None = Field(
        None,
        gt=1,
        le=100,
        description="budget: wanted throughput in the target's batches, as a multiple of the dense model's.",
    )
    size: float | None = Field(None, gt=1, le=100, description="budget: wanted dense bytes / bytes left.")
    max_drop: float = Field(
        1.0, ge=0, le=100, description="budget: points of the task's metric that may go, on the search split."
    )
    confidence: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="budget: max_drop must hold for the upper bound of the drop at this confidence "
        "(non-inferiority); without it, for the drop as seen.",
    )
    rounds: int = Field(1, ge=1, le=20, description="budget: steps to the target; each is judged, and undone if dear.")
    recover: InnerStep | None = Field(
        None, description="budget: a pass that trains after each round, as {pass: distill, epochs: 0.5}."
    )
    mend: bool | None = Field(
        None,
        description="Refit what is left by least squares on training rows, so that it takes over what went. budget: "
        "each candidate is looked at mended; on unless switched off. accuracy: the result is mended once; off unless "
        "switched on.",
    )
    mend_rows: int = Field(
        1024,
        ge=1,
        description="Training rows that mending looks at, without their labels; four times as many for a last layer "
        "that computes one token of each.",
    )

    @property
    def mends(self) -> bool:
        """Whether what is left is refitted."""
        return self.objective == "budget" if self.mend is None else self.mend
