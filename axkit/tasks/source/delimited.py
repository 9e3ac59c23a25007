"""CSV and TSV: fields parted by a character, in quotes or not (RFC 4180 and the ways around it)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from axkit.tasks.source.lines import LONGEST, text_lines
from axkit.tasks.source.origin import Source

_EXCEL = re.compile(r'"?sep=(.)"?\s*')  # Excel's own first line
_MANY = 1000  # labels that are remembered
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")
_RIVALS = ";,\t|"


def read_delimited(source: Source) -> Iterator[dict[str, Any]]:
    """Rows of the wanted columns; every field is text, an empty one is missing.

    Raises:
        DataError: a row of another width, a quote that never ends, a column that is not there or there twice.
    """
    width, chosen = 0, None
    labels = _Labels(source) if source.spec.quoting is None and source.spec.label_columns else None
    names = source.header
    for number, fields in _fields(source):
        if chosen is None:
            names, is_row = _names(source, fields, number)
            chosen, width = _chosen(source, names, number), len(names)
            if not is_row:
                continue
        if len(fields) != width:
            ways = "'sep', 'quoting' or 'header'"
            raise source.fault(
                f"{len(fields)} columns where {width} are wanted; mend the line, or the task's {ways}", number
            )
        if labels is not None:
            labels.check(fields, dict(chosen)[source.spec.label_columns[0]], number)
        yield {name: fields[place] or None for name, place in chosen}


class _Labels:
    """Watches for quotes that nobody meant as such: between two of them, rows would become one text.

    Lines of a text are told from rows by their width, and by what stands where the label would be: a label that other
    rows have, or a number where all have numbers.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.seen, self.are_numbers = source, set[str](), True
        self.sep = source.sep or ","

    def check(self, fields: list[str], place: int, line: int) -> None:
        """Note a row's label, which stands at a place.

        Raises:
            DataError: a field holds what seem to be rows.
        """
        if len(self.seen) < _MANY:
            self.seen.add(fields[place])
        self.are_numbers &= bool(_NUMBER.fullmatch(fields[place]))
        for index, field in enumerate(fields):
            if "\n" not in field:
                continue
            first, *inner, last = [one.rstrip("\r").split(self.sep) for one in field.split("\n")]
            rows = [fields[:index] + first, *inner, last + fields[index + 1 :]]
            if all(len(row) == len(fields) and self._is_label(row[place]) for row in rows):
                raise self.source.fault(
                    f"a field in quotes holds {len(rows)} lines that look like rows; set the task's 'quoting: none' "
                    f"if the quotes are characters of texts, 'minimal' if it is one text",
                    line,
                )

    def _is_label(self, field: str) -> bool:
        return field in self.seen or (self.are_numbers and _NUMBER.fullmatch(field) is not None)


def _names(source: Source, first: list[str], line: int) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first line is a row."""
    said = source.spec.header
    if isinstance(said, list):
        alike = [
            field.strip().casefold() == name.casefold() and not name.isdigit()
            for field, name in zip(first, said, strict=False)
        ]
        if any(alike) and not all(alike):
            raise source.fault(
                f"it seems to name the columns, as '{said[alike.index(True)]}' stands there; leave the task's 'header' "
                f"off, or call that column otherwise",
                line,
            )
        return said, not all(alike)
    if said is False:
        return [str(place) for place in range(len(first))], True
    return [field.strip() for field in first], False


def _chosen(source: Source, names: list[str], line: int) -> list[tuple[str, int]]:
    for column in source.columns:
        if column not in names:
            raise source.no_column(names, _hint(source, names), line)
        if names.count(column) > 1:
            raise source.fault(f"{names.count(column)} columns are called '{column}'; rename all but one", line)
    return [(column, names.index(column)) for column in source.columns]


def _hint(source: Source, names: list[str]) -> str:
    if source.spec.header is not None:
        return "; mend the task's 'header'"
    bare = [name.strip('"') for name in names]
    rival = next((mark for mark in _RIVALS if len(names) == 1 and mark in names[0]), None)
    if rival is not None:
        return f"; they seem to be parted by {rival!r}: set the task's 'sep'"
    if bare != names and set(source.columns) & set(bare):
        return "; they stand in quotes: set the task's 'quoting: minimal'"
    if not set(source.columns) & set(names):
        return "; if the first line is a row, name the columns by the task's 'header', else mend the task's columns"
    return ""


def _fields(source: Source) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row that is not blank."""
    tabbed = source.suffix == ".tsv"
    sep = source.sep or ("\t" if tabbed else ",")
    quoting = source.spec.quoting or ("none" if tabbed else "minimal")
    lines = text_lines(source)
    first = next(lines, None)
    if first is None:
        return
    excel = _EXCEL.fullmatch(first[1])
    if excel:
        sep = source.sep or excel[1]
    whole = lines if excel else _with_first(first, lines)
    for number, fields in _quoted(source, whole, sep) if quoting == "minimal" else _plain(source, whole, sep):
        if len(fields) > 1 or (fields and fields[0].strip()):
            yield number, fields


def _with_first(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _quoted(source: Source, lines: Iterator[tuple[int, str]], sep: str) -> Iterator[tuple[int, list[str]]]:
    """Fields in double quotes may hold anything; a doubled quote is one."""
    at = 0

    def fed() -> Iterator[str]:
        nonlocal at
        for at, line in lines:  # noqa: B007  # where we are
            yield line

    reader = csv.reader(fed(), delimiter=sep, strict=True)
    before = csv.field_size_limit(LONGEST)
    try:
        while True:
            csv.field_size_limit(LONGEST)  # a limit of the process, which others may have set meanwhile
            start = at + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise source.fault(_worded(str(error)), start) from None
            yield start, fields
    finally:
        csv.field_size_limit(before)


def _worded(error: str) -> str:
    ways = "mend it, or set the task's 'quoting: none' if its quotes are characters of the text"
    if "unexpected end" in error or "field limit" in error:
        return f"a quote that opens here never ends; {ways}"
    if "expected after" in error:
        return f"a quote that opens here ends within a field; {ways}"
    return f"it is no line of such a file ({error}); mend it"


def _plain(source: Source, lines: Iterator[tuple[int, str]], sep: str) -> Iterator[tuple[int, list[str]]]:
    """Fields as they stand.

    Where nobody said that there are no quotes, and every quote of the file is where quoting would have it, with a
    doubled one among them, the file was written with quotes.
    """
    doubled, looks_quoted = 0, source.spec.quoting is None
    for number, line in lines:
        fields = line.rstrip("\r\n").split(sep)
        if looks_quoted and '"' in line:
            marked = [field for field in fields if '"' in field]
            looks_quoted = all(_QUOTED.fullmatch(field) for field in marked)
            if not doubled and any('""' in field[1:-1] for field in marked):
                doubled = number
        yield number, fields
    if looks_quoted and doubled:
        raise source.fault(
            "every quote of the file stands as if fields were quoted; set the task's 'quoting: minimal' if they are, "
            "'none' if the quotes are characters of the text",
            doubled,
        )


_QUOTED = re.compile(r'"(?:[^"]|"")*+"')
