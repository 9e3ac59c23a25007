"""A JSON object that is read key by key, each by its type: what the records of a run are made of. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from axkit.ground.errors import CheckpointError

T = TypeVar("T")


class Fields:
    """What stands in an object; a key that is missing, or of another type, is one sentence.

    Args:
        data: what JSON gave.
        where: words for the place, ahead of the fault.

    Raises:
        CheckpointError: it is no object.
    """

    def __init__(self, data: Any, where: str = "the record") -> None:
        if not isinstance(data, Mapping):
            raise CheckpointError(f"{where} is damaged (no object)")
        self._data, self._where = data, where

    def take(self, key: str, kind: type[T]) -> T:
        """The value of a key; a ``float`` may be written as a whole number, and then comes as one.

        Raises:
            CheckpointError: missing, or of another type.
        """
        found = self._data.get(key)
        if not _is(found, kind):
            raise CheckpointError(f"{self._where} is damaged ({key})")
        return cast(T, found)

    def has(self, key: str) -> bool:
        """Whether there is such a key."""
        return key in self._data

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """As ``take``; None where there is no such key."""
        return self.take(key, kind) if key in self._data else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.take(key, list)
        if not all(isinstance(one, str) for one in found):
            raise CheckpointError(f"{self._where} is damaged ({key})")
        return tuple(found)

    def table(self, key: str, kind: type[T]) -> dict[str, T]:
        """An object whose values are all of one type."""
        found = self.part(key)
        return {name: found.take(name, kind) for name in self.take(key, dict)}

    def part(self, key: str) -> Fields:
        """An object inside."""
        return Fields(self.take(key, dict), f"{self._where}: {key}")

    def parts(self, key: str) -> list[Fields]:
        """A list of objects inside."""
        return [Fields(one, f"{self._where}: {key} {at}") for at, one in enumerate(self.take(key, list), 1)]


def _is(value: Any, kind: type[Any]) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def present(**values: Any) -> dict[str, Any]:
    """Those of the values that are not None, in order: what an earlier axkit did not write stays unwritten."""
    return {name: value for name, value in values.items() if value is not None}
