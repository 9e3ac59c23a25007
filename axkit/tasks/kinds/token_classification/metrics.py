"""Metrics of tags against tags, in points: of whole entities, as conlleval and seqeval count them. Imports no torch."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from axkit.tasks.kinds.classification.metrics import Counts
from axkit.tasks.kinds.metric import Metric

Entity = tuple[str, int, int]
Names = tuple[str, ...]


def token_accuracy(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Share of words whose tag is right."""
    pairs = [(p, t) for row, tags in zip(predictions, golds, strict=True) for p, t in zip(row, tags, strict=True)]
    return 100.0 * float(sum(p == t for p, t in pairs)) / max(1, len(pairs))


def counts_of(predictions: Any, golds: Any) -> tuple[list[str], Counts]:
    """(types of entities, counts of each), as seqeval's default counts them.

    Args:
        predictions: per row a tuple of tags, one for each word.
        golds: likewise.
    """
    hits, predicted, there = Counter[str](), Counter[str](), Counter[str]()
    for tags, wanted in zip(predictions, golds, strict=True):
        one, other = set(entities(tags)), set(entities(wanted))
        for counter, found in ((hits, one & other), (predicted, one), (there, other)):
            counter.update(kind for kind, _, _ in found)
    types = sorted({*predicted, *there})
    arrays = (np.array([counter[kind] for kind in types], dtype=np.float64) for counter in (hits, predicted, there))
    return types, Counts(*arrays)


def _micro(what: str, name: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names = ()) -> float:
        _, found = counts_of(predictions, golds)
        whole = Counts(*(part.sum(keepdims=True) for part in (found.hits, found.predicted, found.there)))
        return float(getattr(whole, what)()[0])

    return Metric(name, points, f"{what} of whole entities")


def entity_f1_macro(predictions: Any, golds: Any, names: Names = ()) -> float:
    """Mean over types of entities."""
    _, found = counts_of(predictions, golds)
    return found.macro(found.f1())


def _of_each(what: str) -> Metric:
    def points(predictions: Any, golds: Any, names: Names = ()) -> dict[str, float]:
        types, found = counts_of(predictions, golds)
        known = sorted({name.partition("-")[2] for name in names if name != "O"} | set(types))
        values = dict(zip(types, getattr(found, what)().tolist(), strict=True))
        return {kind: values.get(kind, 0.0) for kind in known}

    return Metric(f"entity_{what}_per_type", points, f"{what} of the entities of each type", per_class=True)


@lru_cache(maxsize=1 << 18)  # a bootstrap asks for the same rows thousands of times
def entities(tags: tuple[str, ...]) -> tuple[Entity, ...]:
    """(type, first word, last word) of each entity in IOB1, IOB2 or IOBES tags.

    An entity ends where the type changes, at O, S or B, and after E or S; one that starts with I counts (Tjong Kim
    Sang and De Meulder 2003, conlleval).
    """
    found: list[Entity] = []
    start, before, kind_before = 0, "O", ""
    for index, tag in enumerate((*tags, "O")):
        mark, _, kind = tag.partition("-") if tag != "O" else ("O", "", "")
        opens = mark != "O" and (mark in "BS" or before in "OES" or kind != kind_before)
        closes = before != "O" and (mark in "OBS" or before in "ES" or kind != kind_before)
        if closes:
            found.append((kind_before, start, index - 1))
        if opens:
            start = index
        before, kind_before = mark, kind
    return tuple(found)


METRICS = (
    _micro("f1", "entity_f1"),
    Metric("token_accuracy", token_accuracy, "share of words whose tag is right", is_share=True),
    _micro("precision", "entity_precision"),
    _micro("recall", "entity_recall"),
    Metric("entity_f1_macro", entity_f1_macro, "f1 of whole entities, mean over their types"),
    *(_of_each(what) for what in ("f1", "precision", "recall")),
)
