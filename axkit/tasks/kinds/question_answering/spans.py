"""Windows of a context, and the spans of text that their logits speak for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from axkit.tasks.kinds.feed import Encoded

N_BEST = 20  # starts and ends that are looked at


@dataclass(frozen=True)
class Window:
    """What a window needs to become an answer.

    Attributes:
        row: the question.
        context: its context, whole.
        spans: per token (first character, one past the last) in the context; None outside of it.
        null: the token that stands for "no answer".
    """

    row: int
    context: str
    spans: list[tuple[int, int] | None]
    null: int


def real_tokens(logits: Tensor, labels: Tensor) -> list[Any]:
    """The logits of each window's real tokens, (tokens, 2)."""
    real = (labels[..., 0] >= 0).sum(1).tolist()
    return [window[:length].float().numpy() for window, length in zip(logits, real, strict=True)]


def best_span(logits: Any, window: Window, longest: int) -> tuple[float, tuple[int, int] | None]:
    """Score, and first and last token, of the best span within the context; (-inf, None) where there is none."""
    inside = [i for i, span in enumerate(window.spans) if span]
    best, where = -np.inf, None
    starts, ends = (sorted(inside, key=lambda i: -logits[i, side])[:N_BEST] for side in (0, 1))
    for start in starts:
        for end in ends:
            score = float(logits[start, 0] + logits[end, 1])
            if start <= end < start + longest and score > best:
                best, where = score, (start, end)
    return best, where


def text_of(window: Window, where: tuple[int, int]) -> tuple[str, int]:
    """The text from one token to another, without space around it, and its first character."""
    first, last = window.spans[where[0]], window.spans[where[1]]
    assert first is not None
    assert last is not None
    text = window.context[first[0] : last[1]]
    return text.strip(), first[0] + len(text) - len(text.lstrip())


def numbered(heard: Sequence[Any], encoded: Encoded) -> list[tuple[int, tuple[Any, Window]]]:
    """(number, (logits, window)) of each window of a question."""
    return list(enumerate(zip(heard, encoded.notes, strict=True)))


def share(logits: Any, start: int, end: int) -> float:
    """Probability of a start times that of an end, of (tokens, 2) logits."""
    shares = np.exp(logits - logits.max(0))
    shares /= shares.sum(0)
    return float(shares[start, 0] * shares[end, 1])
