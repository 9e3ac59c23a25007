"""Metrics of rows against rows, in points: 0..100, or -100..100 for correlations. Imports no torch."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Entity = tuple[str, int, int]


def accuracy(predictions: Any, labels: Any) -> float:
    """Share of rows that are right."""
    return 100.0 * float(np.mean(predictions == labels))


def matthews(predictions: Any, labels: Any) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004), as the covariance of one-hot vectors."""
    classes = np.union1d(predictions, labels)
    p = (predictions[:, None] == classes).astype(float)
    t = (labels[:, None] == classes).astype(float)
    p, t = p - p.mean(0), t - t.mean(0)
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def f1(predictions: Any, labels: Any) -> float:
    """F1 of class 1, as GLUE scores MRPC and QQP."""
    hits = float(np.sum((predictions == 1) & (labels == 1)))
    total = float(np.sum(predictions == 1) + np.sum(labels == 1))
    return 200.0 * hits / total if total else 0.0


def pearson(predictions: Any, labels: Any) -> float:
    """Pearson correlation; 0 where either side does not vary."""
    p, t = predictions - predictions.mean(), labels - labels.mean()
    spread = float((p * p).sum() * (t * t).sum())
    return 100.0 * float((p * t).sum()) / spread**0.5 if spread > 0 else 0.0


def _ranks(values: Any) -> Floats:
    """Ranks from 0, ties share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse], dtype=np.float64)


def spearman(predictions: Any, labels: Any) -> float:
    """Spearman correlation: Pearson of the ranks."""
    return pearson(_ranks(predictions), _ranks(labels))


def f1_micro(predictions: Any, labels: Any) -> float:
    """F1 over all (row, label) pairs; predictions and labels (rows, labels) of 0 and 1."""
    return float(_f1_of(np.sum(predictions & labels), np.sum(predictions), np.sum(labels)))


def f1_macro(predictions: Any, labels: Any) -> float:
    """Mean over labels of each label's F1; a label that nobody has and nobody predicts counts 0."""
    parts = zip((predictions & labels).sum(0), predictions.sum(0), labels.sum(0), strict=True)
    return float(np.mean([_f1_of(*part) for part in parts]))


def exact(predictions: Any, labels: Any) -> float:
    """Share of rows all of whose labels are right."""
    return 100.0 * float(np.mean((predictions == labels).all(1)))


def _f1_of(hits: float, predicted: float, there: float) -> float:
    return 200.0 * hits / (predicted + there) if predicted + there else 0.0


def entity_f1(predictions: Any, labels: Any) -> float:
    """Micro F1 of whole entities, as conlleval and seqeval's default count them.

    Args:
        predictions: per row a tuple of tags, one for each word.
        labels: likewise.
    """
    counts = Counter[str]()
    for predicted, there in zip(predictions, labels, strict=True):
        found, wanted = set(entities(predicted)), set(entities(there))
        counts.update(hits=len(found & wanted), predicted=len(found), there=len(wanted))
    return float(_f1_of(counts["hits"], counts["predicted"], counts["there"]))


def token_accuracy(predictions: Any, labels: Any) -> float:
    """Share of words whose tag is right."""
    pairs = [(p, t) for row, tags in zip(predictions, labels, strict=True) for p, t in zip(row, tags, strict=True)]
    return 100.0 * float(sum(p == t for p, t in pairs)) / max(1, len(pairs))


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
