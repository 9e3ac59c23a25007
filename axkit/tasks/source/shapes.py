"""One JSON document to rows: a list of objects, or the ways in which pandas and datasets write a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from axkit.tasks.kinds.data import rows_of
from axkit.tasks.source.origin import Source, brief, some_of


def document_rows(source: Source, value: Any) -> Iterable[Mapping[str, Any]]:
    """The rows of a document.

    Besides a list of objects, also under a key of one: pandas' orients split, index, columns and table; a list for each
    column; SQuAD's nesting; a list of lists, where the task's ``header`` names the columns; one object, which is a row.

    Raises:
        DataError: another shape.
    """
    nested = rows_of(source.spec.kind).nested(source, value)
    if nested is not None:
        return nested
    if isinstance(value, list):
        return _objects(source, value, source.header)
    if isinstance(value, dict):
        return _of_object(source, value)
    raise source.fault(f"it holds {brief(value)}; write an object a line")


def _objects(source: Source, values: list[Any], header: list[str] | None) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for number, value in enumerate(values, 1):
        if isinstance(value, list) and header is not None and len(value) == len(header):
            rows.append(dict(zip(header, value, strict=True)))
        elif isinstance(value, dict):
            rows.append(value)
        else:
            way = "; name their columns by the task's 'header'" if isinstance(value, list) and header is None else ""
            raise source.fault(f"it is {brief(value)}, not an object{way or '; write each as an object'}", row=number)
    return rows


def _of_object(source: Source, whole: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
    wanted = set(source.columns)
    data, columns = whole.get("data"), whole.get("columns")
    if not wanted <= set(whole) and isinstance(data, list):
        if isinstance(columns, list) and all(isinstance(name, str) for name in columns):
            return _objects(source, data, columns)  # orient split
        if isinstance(whole.get("schema"), dict):
            return _objects(source, data, None)  # orient table
    if wanted <= set(whole):
        return _columns(source, whole)
    inner = list(whole.values())
    if inner and all(isinstance(row, dict) and wanted <= set(row) for row in inner):
        return inner  # orient index
    lists = [part for part in inner if isinstance(part, list) and part and isinstance(part[0], dict)]
    if len(lists) == 1 and wanted <= set(lists[0][0]):
        return _objects(source, lists[0], None)  # rows beside a version or a comment
    if not any(isinstance(part, dict | list) for part in inner):
        return [whole]  # a row, which lacks a column
    keys = some_of(list(whole))
    raise source.fault(f"it is one object with the keys {keys}; write an object a line, or a list of objects")


def _columns(source: Source, whole: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Columns side by side, or one row."""
    parts = [whole[column] for column in source.columns]
    first = whole[source.spec.columns[0]]
    if all(isinstance(part, dict) for part in parts):
        if any(part.keys() != first.keys() for part in parts):
            raise source.fault("its columns have different rows; write an object a line")
        return [{column: whole[column][key] for column in source.columns} for key in first]  # orient columns
    lists = isinstance(first, list)
    if lists and rows_of(source.spec.kind).lists:
        lists = bool(first) and all(isinstance(words, list | str) for words in first) and isinstance(first[0], list)
    if lists and all(isinstance(part, list) for part in parts):
        if any(len(part) != len(first) for part in parts):
            raise source.fault("its columns have different numbers of rows; write an object a line")
        return [dict(zip(source.columns, values, strict=True)) for values in zip(*parts, strict=True)]
    return [whole]
