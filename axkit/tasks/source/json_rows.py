"""JSON to rows: an object a line, or one document in any of the shapes that public tools write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from axkit.tasks.kinds.data import rows_of
from axkit.tasks.source.lines import text_lines
from axkit.tasks.source.origin import Source, brief
from axkit.tasks.source.shapes import document_rows

_DECODER = json.JSONDecoder()
DEEPEST = 100  # levels of lists and objects
LARGEST = 1 << 29  # bytes of one document, which is read whole


def read_json(source: Source) -> Iterator[Mapping[str, Any]]:
    """Rows of the wanted columns, each value as JSON has it; what a row lacks is None.

    Lines are read one at a time; a file that is one document is read whole.

    Raises:
        DataError: no JSON, or too deep or large; a row that is no object; a key that is there twice; a column that no
            row has.
    """
    seen: dict[str, None] = {}
    empty = True
    for _, row in _rows(source):
        empty = False
        if len(seen) < 1000:
            seen.update(dict.fromkeys(row))
        yield {column: row.get(column) for column in source.columns}
    missing = [column for column in source.columns if column not in seen]
    if missing and not empty:
        raise source.no_column(seen)


def _rows(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = ((number, line) for number, line in text_lines(source) if line.strip(" \t\r\n"))
    first, second = next(lines, None), next(lines, None)
    if first is None:
        return
    if second is None or not _is_whole(first[1]):
        yield from enumerate(_document(source), 1)
        return
    keys = [json.dumps(column, ensure_ascii=False) for column in source.columns]
    for number, line in _chained([first, second], lines):
        row = _parsed(source, line, number)
        if any(line.count(key) > 1 for key in keys):
            _check_doubles(source, line, number)
        for one in _opened(source, row, number):
            yield number, one


def _chained(some: Iterable[tuple[int, str]], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield from some
    yield from rest


def _opened(source: Source, row: Any, line: int) -> Iterable[Mapping[str, Any]]:
    """The rows of a line: one, or the questions of an article."""
    if isinstance(row, dict):
        nested = rows_of(source.spec.kind).nested(source, row, line)
        return (row,) if nested is None else nested
    if isinstance(row, list) and source.header is not None and len(row) == len(source.header):
        return (dict(zip(source.header, row, strict=True)),)
    raise source.fault(f"it is {brief(row)}, not an object; write each row as an object", line)


def _is_whole(line: str) -> bool:
    """True where a line is a value of its own: then each line is one. A broken one may be part of a document."""
    bare = line.strip()
    return (bare[0], bare[-1]) in {("{", "}"), ("[", "]")} or bare[0] not in "{["


def _document(source: Source) -> Iterable[Mapping[str, Any]]:
    size = source.path.stat().st_size
    if size > LARGEST:
        raise source.fault(f"one JSON document of {size >> 20} MB is too large to read at once; write an object a line")
    text = "".join(line for _, line in text_lines(source))
    return document_rows(source, _parsed(source, text))


def _parsed(source: Source, text: str, line: int | None = None) -> Any:
    """The value of a text, at most ``DEEPEST`` levels deep.

    Raises:
        DataError: it is none.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = line if line is not None else error.lineno
        raise source.fault(
            f"it is not valid {source.suffix[1:]} ({error.msg}, at character {error.colno}); mend the file", place
        ) from None
    except RecursionError:
        raise source.fault(f"it is more than {DEEPEST} levels deep; write flat rows", line) from None
    except ValueError:  # Python takes no number of thousands of digits
        raise source.fault("it holds a number of thousands of digits; write it as a text", line) from None
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise source.fault(f"it is more than {DEEPEST} levels deep; write flat rows", line)
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(part for part in one.values() if isinstance(part, dict | list))
            elif isinstance(one, list):
                inner.extend(part for part in one if isinstance(part, dict | list))
        if not inner:
            return False
        level = inner
    return True


def _check_doubles(source: Source, line: str, number: int) -> None:
    """Refuse an object with a wanted key twice; JSON leaves open which of the two counts."""
    pairs: list[tuple[str, Any]] = []

    def last(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found  # the outermost object comes last
        return dict(found)

    json.loads(line, object_pairs_hook=last)
    names = [name for name, _ in pairs]
    for column in source.columns:
        if names.count(column) > 1:
            raise source.fault("it is there twice; take one out", number, column=column)
