"""A cell of any type as text, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

MARK = "\x00\x1e"  # what follows is JSON; no text file may hold a zero byte
_SCALAR = 32  # characters, within which numbers are remembered: labels are few


def to_cell(value: Any) -> str | None:
    """A text as it is, None as None, anything else as JSON behind a mark."""
    if value is None or (isinstance(value, str) and not value.startswith(MARK)):
        return value
    return MARK + json.dumps(value, ensure_ascii=False)


def from_cell(cell: Any) -> Any:
    """What ``to_cell`` was given; whatever is no such cell as it is."""
    if not isinstance(cell, str) or not cell.startswith(MARK):
        return cell
    try:
        if len(cell) < _SCALAR and cell[2:3] not in "[{":
            return _scalar(cell)
        return json.loads(cell[2:])
    except ValueError:
        return cell  # a text of somebody else's that begins so


def from_cells(column: Iterable[Any]) -> list[Any]:
    """A whole column; most cells are texts."""
    return [one if one.__class__ is not str or one[:1] != "\0" else from_cell(one) for one in column]


@lru_cache(4096)
def _scalar(cell: str) -> Any:
    return json.loads(cell[2:])
