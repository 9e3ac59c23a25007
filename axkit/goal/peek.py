"""The first rows of a file, to see what its columns hold. Imports no torch."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from axkit.ground.errors import DataError
from axkit.tasks.source.readers import READS

ROWS = 500
_WIDEST = 1 << 20  # characters of a cell
_CONLL = (".conll", ".iob", ".bio", ".iob2")


@dataclass(frozen=True)
class Peeked:
    """What a file begins with.

    Attributes:
        rows: the first ones, by column; cells of CSV and TSV are texts.
        settings: of the task, that the file asks for: ``sep``.
        kind: of the task, where the form of the file says it.
    """

    rows: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None

    @property
    def columns(self) -> list[str]:
        """In the order of the file."""
        return list(self.rows[0]) if self.rows else []

    def values(self, column: str) -> list[Any]:
        """Of a column, those that are there."""
        return [row[column] for row in self.rows if row.get(column) not in (None, "")]


def peek(path: Path) -> Peeked:
    """The first rows of a file or of a folder of images.

    Raises:
        DataError: no such file, none that axkit reads, or one without rows.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return Peeked([{"image": "", "label": folder.name} for folder in sorted(path.iterdir()) if folder.is_dir()])
    if not path.is_file():
        raise DataError(f"data {path} does not exist; give a file ({', '.join(READS)}), a folder of images or a task")
    if suffix not in READS:
        raise DataError(f"data {path}: axkit reads {', '.join(READS)}; convert it to one of them")
    if suffix in _CONLL:
        return Peeked([{"words": ["a"], "tags": ["O"]}], kind="token_classification")
    try:
        found = _of_suffix(path, suffix)
    except (UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        raise DataError(f"data {path} is no {suffix} file in UTF-8 ({type(error).__name__}); mend it") from None
    if not found.rows:
        raise DataError(f"data {path} has no rows; give it some")
    return found


def _of_suffix(path: Path, suffix: str) -> Peeked:
    if suffix in (".csv", ".tsv"):
        return _delimited(path, suffix)
    if suffix == ".parquet":
        return Peeked(_of_parquet(path))
    with path.open(encoding="utf-8-sig") as file:
        first = file.read(_WIDEST).lstrip()
    if suffix == ".json" and _is_squad(first):
        return Peeked([{"question": "", "context": "", "answers": {}, "id": ""}], kind="question_answering")
    return Peeked(list(islice(_objects(path, first), ROWS)))


def _delimited(path: Path, suffix: str) -> Peeked:
    """By the separator that the suffix means, or the one that the first line has instead of it."""
    usual = "\t" if suffix == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline(_WIDEST)
        sep = usual if usual in head else max(usual + ";\t|", key=head.count)
        sep = sep if sep in head else usual
        file.seek(0)
        csv.field_size_limit(_WIDEST)
        quoting: Literal[0, 3] = csv.QUOTE_NONE if suffix == ".tsv" else csv.QUOTE_MINIMAL
        rows = list(islice(csv.DictReader(file, delimiter=sep, quoting=quoting), ROWS))
    named = [{key: value for key, value in row.items() if isinstance(key, str)} for row in rows]
    return Peeked(named, {} if sep == usual else {"sep": sep})


def _of_parquet(path: Path) -> list[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batches = pq.ParquetFile(path).iter_batches(batch_size=ROWS)
        return next(iter(batches)).to_pylist() if batches is not None else []
    except StopIteration:
        return []
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _objects(path: Path, first: str) -> Iterator[Mapping[str, Any]]:
    """An object a line, or a document that is a list of objects."""
    if first.startswith("["):
        yield from (row for row in json.loads(path.read_text(encoding="utf-8-sig")) if isinstance(row, dict))
        return
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            row = json.loads(line) if line.strip() else None
            if isinstance(row, dict):
                yield row


def _is_squad(first: str) -> bool:
    return first.startswith("{") and '"paragraphs"' in first and '"qas"' in first
