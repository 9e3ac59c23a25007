"""How a person looks at sets of labels: a decision is about one label of a row. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.tasks.kinds.look import LONGEST, Classes, Decisions, Look
from axkit.tasks.kinds.luck import word
from axkit.tasks.kinds.multi_label.metrics import counts_of
from axkit.tasks.source.origin import one_line


class SetLook(Look):
    """Any number of labels."""

    unit = "label of a row"

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The names of those that are there."""
        there = [word(label, names) for label in np.flatnonzero(prediction).tolist()]
        return one_line(", ".join(there), LONGEST) or "no label"

    def right(self, predictions: Any, golds: Any) -> Any:
        """All labels of the row are."""
        return (predictions == golds).all(1)

    def gains(self, before: Any, after: Any, golds: Any) -> Any:
        """Labels that are right now and were wrong, less those the other way round."""
        return ((after == golds).sum(1) - (before == golds).sum(1)).astype(np.float64)

    def sureness(self, confidences: Sequence[Any]) -> list[float | None]:
        """Of the label that the model is least sure of."""
        return [None if one is None else float(min(one)) for one in confidences]

    def decisions(self, predictions: Any, golds: Any, confidences: Sequence[Any]) -> Decisions | None:
        """Each label of each row."""
        if any(one is None for one in confidences):
            return None
        return Decisions((predictions == golds).ravel(), np.array(confidences, dtype=np.float64).ravel())

    def classes(self, predictions: Any, golds: Any, names: Sequence[str]) -> Classes | None:
        """Each label; several are right at once, so that none is taken for another."""
        counts = counts_of(predictions, golds)
        told = tuple(word(label, names) for label in range(len(counts.there)))
        return Classes(told, counts)
