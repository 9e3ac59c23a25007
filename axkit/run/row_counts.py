"""How many rows a run went by, as types. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from axkit.ground.fields import Fields


@dataclass(frozen=True)
class PerSplit:
    """A count for each split."""

    train: int
    search: int
    test: int

    @property
    def total(self) -> int:
        """Of all three."""
        return self.train + self.search + self.test

    def to_json(self) -> dict[str, int]:
        """By name."""
        return {"train": self.train, "search": self.search, "test": self.test}

    @classmethod
    def from_json(cls, data: Fields) -> PerSplit:
        """The inverse of ``to_json``."""
        return cls(*(data.take(name, int) for name in ("train", "search", "test")))


@dataclass(frozen=True)
class RowCounts:
    """The rows of a run.

    Attributes:
        used: of each split.
        truncated: those that were longer than what the model reads.
        test_in_others: test rows whose input also stands in train or search.
        doubles: "test in train" and the like -> rows whose input stands in both.
    """

    used: PerSplit
    truncated: PerSplit
    test_in_others: int = 0
    doubles: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The keys of a report's summary."""
        return {
            "rows": self.used.to_json(),
            "rows_truncated": self.truncated.to_json(),
            "test_rows_also_in_train_or_search": self.test_in_others,
            "rows_also_in_another_split": dict(self.doubles),
        }

    @classmethod
    def from_json(cls, data: Fields) -> RowCounts:
        """The inverse of ``to_json``."""
        return cls(
            PerSplit.from_json(data.part("rows")),
            PerSplit.from_json(data.part("rows_truncated")),
            data.take("test_rows_also_in_train_or_search", int),
            data.table("rows_also_in_another_split", int),
        )
