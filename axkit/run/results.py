"""What is wrong with what a pass gives back: each is the rest of a sentence that begins with the pass."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from axkit.contract.reader import Reader
from axkit.contract.result import Result
from axkit.ground.errors import shown


def result_faults(result: Any) -> Iterator[str]:
    """What is wrong with the Result itself; each is the rest of a sentence that begins with the pass."""
    if not isinstance(result, Result):
        yield f"returned {a_value(result)} from apply, not an axkit.Result; return Result()"
        return
    yield from state_faults(result)
    yield from fact_faults(result)
    if not isinstance(result.note, str):
        yield f"returned {a_value(result.note)} as note, not a sentence; mend it"
    yield from table_faults(result.tables)
    if result.tokenizer is not None and not isinstance(result.tokenizer, Reader):
        yield f"returned {a_value(result.tokenizer)} as tokenizer, which is none; give one of transformers, or None"


def state_faults(result: Result) -> Iterator[str]:
    """A state is a JSON object, or None."""
    if result.state is not None and not (isinstance(result.state, Mapping) and not _no_json(dict(result.state))):
        why = _no_json(dict(result.state)) if isinstance(result.state, Mapping) else a_value(result.state)
        yield f"returned a state that is no JSON object ({why}); give plain values, or None"


def fact_faults(result: Result) -> Iterator[str]:
    """Facts are finite numbers by name."""
    if not isinstance(result.facts, Mapping):
        yield f"returned {a_value(result.facts)} as facts, not a mapping of names to numbers; mend it"
        return
    for name, value in result.facts.items():
        if not isinstance(name, str) or type(value) is bool or not isinstance(value, int | float) or not _finite(value):
            yield f"returned fact '{shown(name)}', which is no finite number ({shown(repr(value))}); leave it out"


def table_faults(tables: Any) -> Iterator[str]:
    """Tables are lists of rows of plain values."""
    if not isinstance(tables, Mapping):
        yield f"returned {a_value(tables)} as tables, not a mapping of names to rows; mend it"
        return
    for name, rows in tables.items():
        plain = isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows)
        if not plain or _no_json([dict(row) for row in rows]):
            yield f"returned table '{shown(name)}' that is no list of rows with plain values; mend it"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _no_json(value: Any) -> str:
    """Why something is no JSON; empty where it is."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return shown(error) or type(error).__name__
    return ""


def a_value(value: Any) -> str:
    """What somebody gave, as part of a sentence."""
    return "None" if value is None else f"a value of type '{shown(type(value).__name__)}'"
