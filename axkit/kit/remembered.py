"""What was made once in a run is not made again: a teacher's answers, above all."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


def remembered(
    memo: dict[str, Any], what: str, of: tuple[object, ...], how: tuple[Hashable, ...], make: Callable[[], T]
) -> T:
    """What was made of some objects earlier in this run, or now.

    Args:
        memo: of the run (``Tools.memo``).
        what: it is called.
        of: the objects, known by their identity; the memo keeps them, so that no other can have it. Whoever changes one
            may not ask for what was made of it before.
        how: settings that it depends on.
        make: makes it.
    """
    known: dict[Any, tuple[tuple[object, ...], Any]] = memo.setdefault(what, {})
    key = (*map(id, of), *how)
    if key not in known:
        known[key] = of, make()
    made: T = known[key][1]
    return made
