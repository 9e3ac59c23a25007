"""Exact match and F1 of SQuAD, as the official scripts count them (Rajpurkar et al. 2016, 2018). Imports no torch."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized(answer: str) -> str:
    """Lower case, without punctuation, articles and superfluous white space; in this order."""
    bare = answer.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(predictions: Any, golds: Any, names: tuple[str, ...] = ()) -> float:
    """Share of questions whose answer equals a gold answer; in points.

    Args:
        predictions: one text per question; the empty one says that there is no answer.
        golds: per question a tuple of texts; an empty tuple where there is no answer.
        names: unused; answers have none.
    """
    return _mean(_exact, predictions, golds)


def f1(predictions: Any, golds: Any, names: tuple[str, ...] = ()) -> float:
    """Mean over questions of the best F1 of words against any gold answer; in points. Arguments as above."""
    return _mean(_best_f1, predictions, golds)


def _mean(score: Callable[[str, tuple[str, ...]], float], predictions: Any, golds: Any) -> float:
    pairs = zip(predictions, golds, strict=True)
    return 100.0 * sum(score(one, gold) for one, gold in pairs) / max(1, len(golds))


def _wanted(golds: tuple[str, ...]) -> list[str]:
    """Answers that normalise to nothing do not count; a question without answers wants the empty one."""
    return [gold for gold in map(normalized, golds) if gold] or [""]


@lru_cache(maxsize=1 << 18)  # a bootstrap asks for the same rows thousands of times
def _exact(prediction: str, golds: tuple[str, ...]) -> float:
    return float(normalized(prediction) in _wanted(golds))


@lru_cache(maxsize=1 << 18)
def _best_f1(prediction: str, golds: tuple[str, ...]) -> float:
    return max(_f1(normalized(prediction).split(), gold.split()) for gold in _wanted(golds))


def _f1(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    shared = sum((Counter(predicted) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
