"""Raw rows to texts and labels: whatever is wrong with a row is one sentence that names it. Imports no torch."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks import image_reader as images
from axkit.tasks.labels.classes import kind_of_text
from axkit.tasks.labels.columns import Meaning, listed
from axkit.tasks.labels.meaning import label_column, narrowed, place_of
from axkit.tasks.source.origin import brief, some_of
from axkit.tasks.source.table import Table, Texts
from axkit.tasks.spec import Kind, Row, SplitName, Task, TaskSpec

STRATIFIED = ("classification", "image_classification")  # kinds whose classes are held out alike
_FEW = 20  # rows, of which one-word sentences may be all
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


def check_variety(task: Task, train_labels: Any) -> None:
    """Refuse a classification whose train rows all have one label, and sentences that are all of one word."""
    if task.spec.kind in STRATIFIED and len(np.unique(train_labels)) < 2:
        raise DataError(
            f"task '{task.name}': a classification needs two labels or more, train has 1; give rows of another label"
        )
    many = task.spec.kind == "token_classification" and len(train_labels) >= _FEW
    if many and all(len(tags) == 1 for tags in train_labels):
        raise DataError(
            f"task '{task.name}': every row of train holds one word in '{task.spec.columns[0]}', and a row is a "
            f"sentence; write CoNLL, or lists of words and tags"
        )


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
    take = _TAKE.get(spec.kind, texts_of)
    named = (*spec.columns, *spec.label_columns, *((spec.id,) if spec.id else ()))
    kept: list[tuple[Any, ...]] | None = None if isinstance(rows, Table) and rows.on_disk else []
    labels, keys, draws, ids = _Labels(spec.kind), array("Q"), array("d"), array("q")
    column = label_column(task, split, rows, meaning)
    for number, row in enumerate(narrowed(rows, named), 1):
        where = place_of(task, split, rows, number)
        text = take(spec, row, where)
        labels.append(column.label(row, where, text))
        if spec.kind == "image_classification":  # doubles are files of the same content
            hashed: tuple[Any, ...] = (_whole_image(text[0], where),)
        else:  # questions on one context stay together: a model that has seen the context has seen the answers
            hashed = text[1:] if spec.kind == "question_answering" else text
        keys.append(text_key(hashed if spec.kind == "image_classification" else text, "sample"))
        draws.append(text_key(hashed, "split") / 2**64)
        if spec.id is not None:
            ids.append(_id_key(row.get(spec.id), spec.id, where))
        if kept is not None:
            kept.append(text)
    if spec.id is not None:
        _check_ids(f"task '{task.name}', {split} split", spec.id, rows, np.frombuffer(ids, np.int64))
    texts: Sequence[tuple[Any, ...]] = kept if kept is not None else []
    if kept is None and isinstance(rows, Table):
        whole = rows.only(spec.columns).joined(f"task '{task.name}', {split} split")
        texts = Texts(whole, partial(take, spec, where=""))
    return Checked(texts, labels.done(), np.frombuffer(keys, np.uint64), np.frombuffer(draws, np.float64))


def _whole_image(value: Any, where: str) -> bytes:
    data = images.content(value, where)
    images.decoded(data, where)
    return data


def text_key(text: Sequence[str | bytes], purpose: str) -> int:
    """64 bits that depend on the text and the purpose alone."""
    parts = [part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in (purpose, *text)]
    return int.from_bytes(hashlib.sha256(b"\x1f".join(parts)).digest()[:8], "big")


class _Labels:
    """Labels of rows on their way into an array."""

    def __init__(self, kind: Kind) -> None:
        self.dtype = _DTYPES.get(kind)
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


_DTYPES: dict[Kind, Any] = {
    "classification": np.int64,
    "image_classification": np.int64,
    "multi_label": np.int64,
    "regression": np.float64,
}


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


def texts_of(spec: TaskSpec, row: Row, where: str) -> tuple[str, ...]:
    """The texts of a row; a ``where`` names it in messages."""
    text = tuple(row.get(column) for column in spec.columns)
    for column, part in zip(spec.columns, text, strict=True):
        if not isinstance(part, str) or not part.strip():
            way = "fill it" if part is None or isinstance(part, str) else "write it as text"
            raise DataError(f"{where}: '{column}' holds no text ({brief(part)}); {way} or drop the row")
        if not _is_unicode(part):
            raise DataError(f"{where}: '{column}' holds half a character ({part!r:.60}); mend or drop the row")
    return text  # type: ignore[return-value]  # checked just above


def words_of(spec: TaskSpec, row: Row, where: str) -> tuple[str, ...]:
    """The words of a row; a word may hold spaces, but not be one."""
    value, column = row.get(spec.columns[0]), spec.columns[0]
    what = kind_of_text(value) if isinstance(value, str) else ""
    if what:
        raise DataError(f"{where}: '{column}' is {brief(value)}, the text of {what}; write JSONL")
    words = listed(value)
    if not words or not all(isinstance(word, str) for word in words):
        raise DataError(f"{where}: '{column}' is no list of words ({brief(value)}); mend or drop the row")
    for number, word in enumerate(words, 1):
        if not word.strip(" \t\r\n"):
            raise DataError(f"{where}: word {number} of '{column}' is empty; fill it in or take it out, with its tag")
        if not _is_unicode(word):
            raise DataError(f"{where}: '{column}' holds half a character ({brief(word)}); mend or drop the row")
    return tuple(words)


def _is_unicode(text: str) -> bool:
    """False where a surrogate stands alone, which neither Arrow nor a tokenizer takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_TAKE: dict[Kind, Callable[..., tuple[Any, ...]]] = {
    "token_classification": words_of,
    "image_classification": images.image_of,
}
