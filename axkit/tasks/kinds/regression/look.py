"""How a person looks at scores: none is right, each is near or far. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.tasks.kinds.look import Look


class ScoreLook(Look):
    """One score."""

    numbers = True
    moves = ("nearer", "further off", "as far off")

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The number."""
        return f"{float(prediction):.4g}"

    def differ(self, one: Any, other: Any) -> Any:
        """Which scores read otherwise, with four digits."""
        return np.array([f"{a:.4g}" != f"{b:.4g}" for a, b in zip(one.tolist(), other.tolist(), strict=True)], bool)

    def gains(self, before: Any, after: Any, golds: Any) -> Any:
        """By how much each came nearer, in the unit of the labels."""
        return np.abs(before - golds) - np.abs(after - golds)
