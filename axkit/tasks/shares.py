"""What a task holds out, where its rows stand in one place. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import BaseModel, ConfigDict, Field


class Shares(BaseModel):
    """What a task whose rows stand in one place holds out, as shares of all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    test: float | None = Field(None, gt=0, lt=1, description="Of the test split.")
    search: float | None = Field(None, gt=0, lt=1, description="Of the search split; 0.15 of what test leaves.")


def check_shares(shares: Sequence[tuple[str, float]], named: Collection[str]) -> None:
    """Refuse shares of what has a place of its own, and shares that leave train nothing.

    Args:
        shares: (split, share of all rows).
        named: the splits that have files, or names on the hub.

    Raises:
        ValueError: half a sentence, of the task.
    """
    for name in (one for one, _ in shares if one in named):
        raise ValueError(f"has a {name} split of its own and a share for it in 'split'; give one of them")
    if sum(share for _, share in shares) >= 1:
        raise ValueError("has shares in 'split' that leave train no rows; make them smaller")
