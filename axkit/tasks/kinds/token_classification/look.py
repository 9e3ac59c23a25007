"""How a person looks at tags: a decision is about a word. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.tasks.kinds.look import LONGEST, Classes, Decisions, Look, confusion
from axkit.tasks.kinds.token_classification.metrics import counts_of
from axkit.tasks.source.origin import one_line

_OUTSIDE = "O"


class TagLook(Look):
    """A tag for each word."""

    unit = "word"

    def text(self, text: Sequence[Any]) -> str:
        """The words."""
        return one_line(" ".join(map(str, text)), LONGEST)

    def said(self, prediction: Any, names: Sequence[str], text: Sequence[Any]) -> str:
        """The words that have a tag, each with it."""
        tagged = [f"{word} ({tag})" for word, tag in zip(text, prediction, strict=True) if tag != _OUTSIDE]
        return one_line(", ".join(tagged), LONGEST) or "no tag"

    def right(self, predictions: Any, golds: Any) -> Any:
        """All words of the row are."""
        return ~self.differ(predictions, golds)

    def gains(self, before: Any, after: Any, golds: Any) -> Any:
        """Words that are right now and were wrong, less those the other way round."""
        hits = [[sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(found, golds, strict=True)]
                for found in (before, after)]  # fmt: skip
        return np.array(hits[1], np.float64) - np.array(hits[0], np.float64)

    def sureness(self, confidences: Sequence[Any]) -> list[float | None]:
        """Of the word that the model is least sure of; none where no word was read."""
        read = [[] if row is None else [one for one in row if one is not None] for row in confidences]
        return [min(row) if row else None for row in read]

    def decisions(self, predictions: Any, golds: Any, confidences: Sequence[Any]) -> Decisions | None:
        """Each word that was read."""
        found = [
            (said == wanted, sure)
            for row in zip(predictions, golds, confidences, strict=True)
            if row[2] is not None
            for said, wanted, sure in zip(*row, strict=True)
            if sure is not None
        ]
        return Decisions(*map(np.array, zip(*found, strict=True))) if found else None

    def classes(self, predictions: Any, golds: Any, names: Sequence[str]) -> Classes | None:
        """Whole entities of each type; words of which type are taken for which."""
        types, counts = counts_of(predictions, golds)
        told = (*types, _OUTSIDE)
        number = {name: index for index, name in enumerate(told)}
        pairs = [(a, b) for row in zip(golds, predictions, strict=True) for a, b in zip(*row, strict=True)]
        wanted, said = (np.array([number[_type(pair[side])] for pair in pairs], np.int64) for side in (0, 1))
        return Classes(told, counts, confusion(wanted, said, len(told)))


def _type(tag: str) -> str:
    """What a tag says without its place in the entity."""
    return tag if tag == _OUTSIDE else tag.partition("-")[2]
