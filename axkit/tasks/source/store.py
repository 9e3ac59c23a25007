"""Rows of a file in Arrow, memory-mapped: made once for a content, found again by it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from axkit.ground.errors import StorageError, as_storage_error
from axkit.ground.files import on_disk
from axkit.tasks.source.cells import to_cell
from axkit.tasks.source.origin import Source, brief

VERSION = 1  # of what the readers make of a file
BATCH = 1000  # rows of a record batch, at most
_BYTES = 1 << 26  # of a record batch, about
_NAME = "rows.arrow"
_STALE_S = 86_400  # a folder in the making is as old as this only where its process died
_SETTINGS = ("sep", "quoting", "header", "kind", "image")


def stored(source: Source, rows: Iterable[Mapping[str, Any]]) -> Any:
    """A ``datasets.Dataset`` of a file's rows, in ``datasets``' cache; read now, or when the same content was before.

    Every column is text: a cell that is a text as it is, another as JSON behind a mark (see ``cells``). Only images in
    Parquet stay bytes.

    Args:
        source: of the rows; its columns are kept.
        rows: asked for only where they are not stored yet.

    Raises:
        DataError: whatever the reader refuses; half a character.
        StorageError: the cache cannot be written.
    """
    import datasets
    import pyarrow as pa

    folder = Path(datasets.config.HF_DATASETS_CACHE) / "axkit-rows" / _key(source)
    if (folder / _NAME).is_file():
        try:
            return datasets.Dataset.from_file(str(folder / _NAME))
        except (OSError, ValueError, pa.ArrowException):  # damaged: made again
            shutil.rmtree(folder, ignore_errors=True)
    _make(source, folder, rows)
    return datasets.Dataset.from_file(str(folder / _NAME))


def _key(source: Source) -> str:
    """Hash of the content and of all that decides what is read from it."""
    settings = source.spec.model_dump(include=set(_SETTINGS))
    place = str(source.path.parent.absolute()) if source.spec.image else ""  # paths of images are seen from there
    text = json.dumps([VERSION, source.suffix, source.columns, settings, place])
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    try:
        with source.path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    except OSError as error:
        raise source.fault(f"it cannot be read ({error.strerror}); mend that, or give another file") from None
    return whole.hexdigest()[:32]


def _make(source: Source, folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a folder beside its place, and move it there whole."""
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        _write(source, made / _NAME, rows)
        try:
            made.rename(folder)
        except OSError:
            if not (folder / _NAME).is_file():  # else another process was faster, with the same content
                raise
    except OSError as error:
        if as_storage_error(error, folder) is None:
            raise
        raise StorageError(
            f"cannot write {folder.parent} ({error.strerror}); free space, or set HF_DATASETS_CACHE to a folder that "
            f"has it"
        ) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes that died have left."""
    for old in folder.glob(".making-*"):
        try:
            stale = time.time() - old.stat().st_mtime > _STALE_S
        except OSError:
            continue
        if stale:
            shutil.rmtree(old, ignore_errors=True)


def _write(source: Source, path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    import pyarrow as pa

    schema, writer, done = None, None, 0
    with pa.OSFile(str(path), "wb") as sink:
        for batch in _batches(rows):
            if schema is None or writer is None:
                schema = _schema(source, batch[0])
                writer = pa.ipc.new_stream(sink, schema)
            writer.write_batch(_batch(source, batch, schema, done))
            done += len(batch)
        if writer is None:
            writer = pa.ipc.new_stream(sink, _schema(source, {}))
        writer.close()
    on_disk(path)


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    some: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += sum(map(_size, row.values()))
        if len(some) == BATCH or size > _BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _size(value: Any) -> int:
    """Characters or bytes of a cell, about."""
    if isinstance(value, Mapping):
        return 64 + sum(map(_size, value.values()))
    return len(value) if isinstance(value, str | bytes | list) else 8


def _schema(source: Source, first: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    fields = []
    for name in source.columns:
        pixels = source.suffix == ".parquet" and name == source.spec.image and isinstance(first.get(name), Mapping)
        fields.append((name, pa.struct({"bytes": pa.binary(), "path": pa.string()}) if pixels else pa.string()))
    return pa.schema(fields)


def _batch(source: Source, rows: list[Mapping[str, Any]], schema: Any, before: int) -> Any:
    import pyarrow as pa

    arrays = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_struct(field.type):
            arrays.append(pa.array([_image(value) for value in values], field.type))
            continue
        try:
            arrays.append(pa.array([to_cell(value) for value in values], field.type))
        except (UnicodeEncodeError, TypeError, RecursionError):
            raise _culprit(source, field.name, values, before) from None
    return pa.record_batch(arrays, schema=schema)


def _image(value: Any) -> Any:
    return {"bytes": value.get("bytes"), "path": value.get("path")} if isinstance(value, Mapping) else None


def _culprit(source: Source, name: str, values: list[Any], before: int) -> Exception:
    for row, value in enumerate(values, before + 1):
        try:
            cell = to_cell(value)
            if cell is not None:
                cell.encode("utf-8")
        except UnicodeEncodeError:
            return source.fault(f"it holds half a character ({brief(value)}); mend or drop the row", None, row, name)
        except (TypeError, RecursionError):
            return source.fault(f"it holds {brief(value)}, which is no cell; mend or drop the row", None, row, name)
    raise AssertionError(name)  # pragma: no cover
