"""When to screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Patience:
    """What was in vain is left out for the next candidates of its kind, for longer each time.

    A kind is whether votes decide. By the criterion whose bounds are weak many a screen is in vain.
    """

    def __init__(self) -> None:
        self._vain, self._pause = {True: 0, False: 0}, {True: 0, False: 0}

    def learned(self) -> dict[str, Any]:
        """What ``told`` has gathered, as arrays by name."""
        return {name: np.array([known[True], known[False]]) for name, known in self._both()}

    def recall(self, found: Mapping[str, Any]) -> None:
        """Go on with what another has learned."""
        for name, known in self._both():
            known[True], known[False] = map(int, found[name])

    def _both(self) -> tuple[tuple[str, dict[bool, int]], ...]:
        return ("vain", self._vain), ("pause", self._pause)

    def due(self, kind: bool) -> bool:
        """Whether the next candidate of a kind is to be screened."""
        self._pause[kind] -= 1
        return self._pause[kind] < 0

    def told(self, kind: bool, sealed: bool) -> None:
        """What came of it."""
        self._vain[kind] = 0 if sealed else self._vain[kind] + 1
        self._pause[kind] = 2 ** self._vain[kind] - 1
