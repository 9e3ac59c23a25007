"""How a person looks at classes. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axkit.tasks.kinds.classification.metrics import Counts
from axkit.tasks.kinds.look import Classes, Look, confusion
from axkit.tasks.kinds.luck import word
from axkit.tasks.source.origin import one_line


class ClassLook(Look):
    """One label of several."""

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The name of the class."""
        label = int(prediction)
        return one_line(word(label, names), 80)

    def right(self, predictions: Any, golds: Any) -> Any:
        """The class is the row's."""
        return predictions == golds

    def classes(self, predictions: Any, golds: Any, names: Sequence[str]) -> Classes | None:
        """Each class, and which is taken for which."""
        counts = Counts.of_classes(predictions, golds, tuple(names))
        size = len(counts.there)
        told = tuple(word(label, names) for label in range(size))
        return Classes(told, counts, confusion(golds, predictions, size))
