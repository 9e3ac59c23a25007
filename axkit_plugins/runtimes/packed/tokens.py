"""Which tokens there are, and which of them see each other.

oneDNN compiles a product for each new shape, which in bfloat16 takes longer than to compute it. So few shapes are let
come about: rows are as long as a multiple of 8, and all tokens together as many as one of eight numbers in an octave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional

from axkit_plugins.runtimes.network.network import HIDDEN

T = TypeVar("T")
STEP = 8  # rows are made so long, or twice, ...


@dataclass(eq=False)
class Tokens:
    """The tokens of a batch.

    Attributes:
        rows: of the batch.
        length: of a row, with its padding.
        mask: (rows, length) bool, True at tokens; None where there is no padding.
        kept: flat places of the tokens, (computed,) int64, the very first once more where there are fewer than are
            computed; None where all are computed, padding too.
        place: of each flat place, the token that stands there, (rows * length,) int64; some token at padding; None
            likewise.
        first: each row's first token among those computed, (rows,) int64.
        made: what layers that are alike share, by what decides it.
    """

    rows: int
    length: int
    mask: Tensor | None
    kept: Tensor | None
    place: Tensor | None
    first: Tensor
    made: dict[object, object] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Tensor, apart: bool) -> Tokens:
        """Of an attention mask, (rows, length), 1 at tokens, padded on the right.

        Args:
            given: the mask.
            apart: padding is not computed even where that takes no longer: others' answers would go by it.
        """
        mask = given.bool()
        rows, length = mask.shape
        flat = mask.reshape(-1)
        count = int(flat.sum())
        if count == len(flat):
            return cls.of_all(rows, length)
        many = computed(count)
        if not apart and many >= len(flat):
            return cls.of_all(rows, length, mask)
        kept = functional.pad(flat.nonzero().squeeze(1), (0, many - count))
        place = (flat.cumsum(0) - 1).clamp(min=0)
        return cls(rows, length, mask, kept, place, place.view(rows, length)[:, 0])

    @classmethod
    def of_all(cls, rows: int, length: int, mask: Tensor | None = None) -> Tokens:
        """Of rows that are equally long, or are computed with their padding."""
        return cls(rows, length, mask, None, None, _counted(rows) * length)

    def spread(self, x: Tensor) -> Tensor:
        """(computed, width) -> (rows, length, width); some token's values at padding."""
        whole = x if self.place is None else x.index_select(0, self.place)
        return whole.view(self.rows, self.length, -1)

    def gathered(self, x: Tensor) -> Tensor:
        """The inverse of ``spread``."""
        flat = x.reshape(self.rows * self.length, -1)
        return flat if self.kept is None else flat.index_select(0, self.kept)

    @cached_property
    def places(self) -> Tensor:
        """0, 1, 2, ... up to the longest row's last."""
        return _counted(self.length)

    @cached_property
    def behind(self) -> Tensor:
        """How many tokens a key stands behind its query, (length, length); below 0 before it."""
        return self.places - self.places[:, None]

    def added(self, causal: bool, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """To scores: 0, or ``HIDDEN`` where a key is not seen, (rows or 1, 1, length or 1, length); None: all are.

        Args:
            causal: a token sees itself and those before it.
            window: how many it sees to each side; None: all.
            dtype: of the scores.
        """
        return self.once((causal, window), lambda: self._added(causal, window, dtype))

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What was made under the key, or is now."""
        if key not in self.made:
            self.made[key] = make()
        return cast(T, self.made[key])

    def _added(self, causal: bool, window: int | None, dtype: torch.dtype) -> Tensor | None:
        hidden = None if self.mask is None else ~self.mask[:, None, None, :]
        if causal:
            hidden = _or(hidden, self.behind > 0)
        if window is not None and window < self.length - 1:
            hidden = _or(hidden, self.behind.abs() > window)
        if hidden is None:
            return None
        return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, HIDDEN)


def computed(tokens: int) -> int:
    """How many are computed in place of so many: no more than an eighth more, but up to 64 a multiple of 8."""
    step = max(STEP, 1 << max(0, tokens.bit_length() - 4))
    return max(1, -(-tokens // step)) * step


def _or(one: Tensor | None, other: Tensor) -> Tensor:
    return other if one is None else one | other


_COUNTED = torch.arange(8192)  # for one short row counting takes as long as a product


def _counted(most: int) -> Tensor:
    return _COUNTED[:most] if most <= len(_COUNTED) else torch.arange(most)
