"""What long jobs tell of their progress; how it is shown is another matter (``bars``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Told how far a long job is; the command line draws a bar with the time left."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Yield the items, and show how many are done."""
        ...

    def say(self, text: str) -> None:
        """One line for a person."""
        ...


class Silent:
    """Says nothing; what the Python API uses unless told otherwise."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Yield the items."""
        yield from items

    def say(self, text: str) -> None:
        """Nothing."""
