"""A cell of any type as text, and back."""

from __future__ import annotations

import json
from typing import Any

MARK = "\x00\x1e"  # what follows is JSON; no text file may hold a zero byte


def to_cell(value: Any) -> str | None:
    """A text as it is, None as None, anything else as JSON behind a mark."""
    if value is None or (isinstance(value, str) and not value.startswith(MARK)):
        return value
    return MARK + json.dumps(value, ensure_ascii=False)


def from_cell(cell: Any) -> Any:
    """What :func:`to_cell` was given; whatever is no such cell as it is."""
    if isinstance(cell, str) and cell.startswith(MARK):
        try:
            return json.loads(cell.removeprefix(MARK))
        except ValueError:
            return cell  # a text of somebody else's that begins so
    return cell
