"""Raw rows to texts and labels: whatever is wrong with a row is one sentence that names it. Imports no torch."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.labels.columns import Meaning
from axkit.tasks.labels.meaning import label_column, narrowed, place_of
from axkit.tasks.source.origin import brief, some_of
from axkit.tasks.source.table import Table, Texts
from axkit.tasks.spec import Row, SplitName, Task

_CHUNK = 4096  # labels that are Python objects at once, where an array can hold them


def check_columns(task: Task, split: SplitName, rows: Sequence[Row]) -> None:
    """Refuse an empty split, and one that lacks a column."""
    if not rows:
        raise DataError(f"task '{task.name}': the {split} split is empty; give it rows")
    named = (*task.spec.columns, *task.spec.label_columns, *((task.spec.id,) if task.spec.id else ()))
    for column in named:
        if column not in rows[0]:
            there = some_of(list(rows[0]))
            raise DataError(f"task '{task.name}', {split} split: no column '{column}'; the columns are {there}")


@dataclass(frozen=True)
class Checked:
    """A split that was found in order.

    Attributes:
        texts: a tuple per row; of rows on disk they are read when asked for.
        labels: see ``SplitRows``.
        keys: per row 64 bits of a hash of its text, for the order of samples and for doubles.
        draws: per row a number in [0, 1), a hash of what decides whether it is held out.
    """

    texts: Sequence[tuple[Any, ...]]
    labels: Any
    keys: Any
    draws: Any


def check_rows(task: Task, split: SplitName, rows: Sequence[Row], meaning: Meaning) -> Checked:
    """Texts and labels of a split; rows on disk are passed over once, and stay there.

    Raises:
        DataError: the first row that is not what the task declares.
    """
    spec = task.spec
    kind = rows_of(spec.kind)
    named = (*spec.columns, *spec.label_columns, *((spec.id,) if spec.id else ()))
    kept: list[tuple[Any, ...]] | None = None if isinstance(rows, Table) and rows.on_disk else []
    labels, keys, draws, ids = _Labels(kind.label_type), array("Q"), array("d"), array("q")
    column = None if spec.is_unlabelled else label_column(task, split, rows, meaning)
    for number, row in enumerate(narrowed(rows, named), 1):
        where = place_of(task, split, rows, number)
        text = kind.texts(spec, row, where)
        labels.append(column.label(row, where, text) if column else kind.unlabelled(text, meaning.naming.names))
        same, together = kind.alike(text, where)
        keys.append(text_key(same, "sample"))
        draws.append(text_key(together, "split") / 2**64)
        if spec.id is not None:
            ids.append(_id_key(row.get(spec.id), spec.id, where))
        if kept is not None:
            kept.append(text)
    if spec.id is not None:
        _check_ids(f"task '{task.name}', {split} split", spec.id, rows, np.frombuffer(ids, np.int64))
    texts: Sequence[tuple[Any, ...]] = kept if kept is not None else []
    if kept is None and isinstance(rows, Table):
        whole = rows.only(spec.columns).joined(f"task '{task.name}', {split} split")
        texts = Texts(whole, partial(kind.texts, spec, where=""))
    return Checked(texts, labels.done(), np.frombuffer(keys, np.uint64), np.frombuffer(draws, np.float64))


def text_key(text: Sequence[str | bytes], purpose: str) -> int:
    """64 bits that depend on the text and the purpose alone."""
    parts = [part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in (purpose, *text)]
    return int.from_bytes(hashlib.sha256(b"\x1f".join(parts)).digest()[:8], "big")


class _Labels:
    """Labels of rows on their way into an array."""

    def __init__(self, dtype: type | None) -> None:
        self.dtype = dtype
        self.chunks: list[Any] = []
        self.some: list[Any] = []

    def append(self, label: Any) -> None:
        self.some.append(label)
        if self.dtype is not None and len(self.some) == _CHUNK:
            self.chunks.append(np.array(self.some, self.dtype))
            self.some = []

    def done(self) -> Any:
        if self.dtype is None:
            whole = np.empty(len(self.some), dtype=object)  # np.array would make a table of tuples of like length
            whole[:] = self.some
            return whole
        return np.concatenate([*self.chunks, *([np.array(self.some, self.dtype)] if self.some else [])])


def _id_key(value: Any, column: str, where: str) -> int:
    try:
        return hash(value)
    except TypeError:
        raise DataError(f"{where}: '{column}' is {brief(value)}, which names no row; give a number or a word") from None


def _check_ids(where: str, column: str, rows: Sequence[Row], keys: Any) -> None:
    """Refuse an id that two rows have; what the keys say is looked up in the rows."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    seen: dict[Any, int] = {}
    for index in np.flatnonzero(counts[place] > 1).tolist():
        value = rows[index].get(column)
        if value in seen:
            first = seen[value]
            raise DataError(
                f"{where}, row {index + 1}: '{column}' is {value!r}, as in row {first}; give each row its own"
            )
        seen[value] = index + 1
