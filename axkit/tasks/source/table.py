"""Rows and texts that stay in Arrow files, memory-mapped: read in passing, never held. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.source.cells import from_cell, from_cells
from axkit.tasks.spec import Row

BATCH = 1000  # rows that are in memory at once


class Table(Sequence[Row]):
    """The rows of several data sets, one after another.

    Args:
        parts: ``datasets.Dataset`` or lists of rows.
        names: of the parts, for messages.
    """

    def __init__(self, parts: Sequence[Any], names: Sequence[str] = ()) -> None:
        self.parts = [part for part in parts if len(part)]
        self.names = [name for name, part in zip(names, parts, strict=bool(names)) if len(part)]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = index
        for part in self.parts:
            if place < len(part):
                return {name: from_cell(value) for name, value in part[place].items()}
            place -= len(part)
        raise IndexError(index)

    def __iter__(self) -> Iterator[Row]:
        for part in self.parts:
            if isinstance(part, list):
                yield from part
                continue
            for batch in part.iter(BATCH):
                names = list(batch)
                for values in zip(*map(from_cells, batch.values()), strict=True):
                    yield dict(zip(names, values, strict=True))

    def place(self, number: int) -> str:
        """Words for a row, from 1: its number, in its part where there are several."""
        if len(self.names) < 2:
            return f"row {number}"
        for name, part in zip(self.names, self.parts, strict=True):
            if number <= len(part):
                return f"row {number} of {name}"
            number -= len(part)
        raise IndexError(number)

    def only(self, columns: Sequence[str]) -> Table:
        """The same rows with these columns alone, where a part has them; reading passes over the others."""
        return Table(
            [
                part if isinstance(part, list) else part.select_columns([c for c in columns if c in part.column_names])
                for part in self.parts
            ],
            self.names,
        )

    @property
    def on_disk(self) -> bool:
        """True where no part is a list."""
        return not any(isinstance(part, list) for part in self.parts)

    def joined(self, where: str) -> Any:
        """One ``datasets.Dataset`` of all rows; ``where`` names the split, for a message.

        Raises:
            DataError: the parts hold a column in different forms.
        """
        import datasets

        kinds = [_plain(part.features) for part in self.parts]
        if any(kind != kinds[0] for kind in kinds):
            raise DataError(
                f"{where}: its files hold the columns {', '.join(kinds[0])} in different forms ({kinds[0]}; "
                f"{next(kind for kind in kinds if kind != kinds[0])}); write them alike"
            )
        alike = [part if part.features == self.parts[0].features else part.cast(kinds[0]) for part in self.parts]
        return datasets.concatenate_datasets(alike)


def _plain(features: Any) -> Any:
    """Features without the difference between strings of 32 and of 64 bits."""
    import datasets

    def plain(one: Any) -> Any:
        if isinstance(one, datasets.Value) and one.dtype == "large_string":
            return datasets.Value("string")
        if isinstance(one, datasets.List | datasets.LargeList):
            return datasets.List(plain(one.feature))
        return one

    return datasets.Features({name: plain(features[name]) for name in sorted(features)})


class Texts(Sequence[tuple[Any, ...]]):
    """The texts of rows that stay on disk, as tuples made when they are asked for.

    Args:
        data: a ``datasets.Dataset``.
        take: a row's texts.
        order: rows of ``data``, in the order wanted; all where None.
    """

    def __init__(self, data: Any, take: Callable[[Row], tuple[Any, ...]], order: Any = None) -> None:
        self.data, self.take = data, take
        self.order = np.arange(len(data)) if order is None else order

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, ...] | Texts:
        if isinstance(index, slice):
            return self.pick(np.arange(len(self))[index])
        return self.take({name: from_cell(value) for name, value in self.data[int(self.order[index])].items()})

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(self), BATCH):
            yield from self.of(self.data[self.order[start : start + BATCH].tolist()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def of(self, batch: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
        """The texts of a batch of columns."""
        names = list(batch)
        columns = map(from_cells, batch.values())
        return [self.take(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]

    def pick(self, rows: Any) -> Texts:
        """These rows (an integer array), in this order."""
        return Texts(self.data, self.take, self.order[rows])


class Column(Sequence[Any]):
    """Columns of a ``datasets.Dataset`` that are read when asked for.

    Args:
        data: the data set.
        names: of its columns.
        make: from a value of each to an element; without it the value, or the tuple of values of several columns.
    """

    def __init__(self, data: Any, names: Sequence[str], make: Callable[..., Any] | None = None) -> None:
        self.data, self.names, self.make = data.select_columns(list(names)), tuple(names), make

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._made(self.data[int(index)])
        if isinstance(index, slice):
            return Column(self.data.select(range(*index.indices(len(self)))), self.names, self.make)
        rows = self.data[[int(i) for i in index]]
        return [self._made(dict(zip(self.names, v, strict=True))) for v in zip(*map(rows.get, self.names), strict=True)]

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), BATCH):
            yield from self[range(start, min(start + BATCH, len(self)))]

    def _made(self, row: Row) -> Any:
        values = [row[name] for name in self.names]
        if self.make is not None:
            return self.make(*values)
        return values[0] if len(values) == 1 else tuple(values)
