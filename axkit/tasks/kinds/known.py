"""Kinds of task by name, as they are registered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from axkit.ground import registry
from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.kinds.kind import half_of, kind_names


class Kinds(Mapping[str, TaskKind]):
    """Name -> the half that computes; each is imported when it is asked for."""

    def __getitem__(self, name: str) -> TaskKind:
        if name not in registry.entries(registry.KINDS):
            raise KeyError(name)
        return half_of(name, "compute", TaskKind)  # type: ignore[type-abstract]

    def __iter__(self) -> Iterator[str]:
        return iter(kind_names())

    def __len__(self) -> int:
        return len(kind_names())


KINDS: Mapping[str, TaskKind] = Kinds()
