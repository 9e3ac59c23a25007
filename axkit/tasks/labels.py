"""A row's label, of each kind of task: whatever is wrong with it is one sentence that names it. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from axkit.errors import DataError
from axkit.tasks.spec import Kind, Row, TaskSpec


def listed(value: Any) -> list[Any] | None:
    """A list, or the words of a string; None for anything else."""
    if isinstance(value, str):
        return value.split()
    return list(value) if isinstance(value, list | tuple | np.ndarray) else None


def _label(spec: TaskSpec, row: Row, names: tuple[str, ...], where: str, _: Any) -> int:
    return _class(row.get(spec.label_columns[0]), names, where)


def _class(value: Any, names: tuple[str, ...], where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(names):
            return value
        raise DataError(f"{where}: label {value} is outside 0..{len(names) - 1} ({len(names)} labels in train)")
    if value is None:
        raise DataError(f"{where}: label None is no label; fill it in or drop the row")
    if str(value) in names:
        return names.index(str(value))
    raise DataError(f"{where}: label {value!r} is none of {', '.join(names)}; mend the row or 'label_names'")


def _score(spec: TaskSpec, row: Row, names: tuple[str, ...], where: str, _: Any) -> float:
    value = row.get(spec.label_columns[0])
    if isinstance(value, str):  # one bad field makes a whole CSV column text
        with suppress(ValueError):
            value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise DataError(f"{where}: score '{spec.label}' is {value!r}; it must be a finite number")
    return float(value)


def _label_set(spec: TaskSpec, row: Row, names: tuple[str, ...], where: str, _: Any) -> list[int]:
    """0 or 1 for each label; a row may have none."""
    if len(spec.label_columns) > 1:
        values = [row.get(column) for column in spec.label_columns]
        if any(value not in (0, 1) for value in values):
            raise DataError(f"{where}: the label columns hold {values!r}; each must be 0 or 1")
        return [int(value) for value in values]  # type: ignore[arg-type]  # 0, 1, False or True
    found = listed(row.get(spec.label_columns[0]))
    if found is None:
        raise DataError(f"{where}: '{spec.label}' is {row.get(spec.label_columns[0])!r}; it must be a list of labels")
    chosen = {_class(value, names, where) for value in found}
    return [int(index in chosen) for index in range(len(names))]


def _tags(spec: TaskSpec, row: Row, names: tuple[str, ...], where: str, words: Any) -> tuple[str, ...]:
    value = row.get(spec.label_columns[0])
    tags = listed(value)
    if tags is None or len(tags) != len(words):
        raise DataError(
            f"{where}: {len(words)} words have {0 if tags is None else len(tags)} tags ('{spec.label}'); "
            f"give each word one"
        )
    return tuple(names[_class(tag, names, where)] for tag in tags)


def _answers(spec: TaskSpec, row: Row, names: tuple[str, ...], where: str, text: Any) -> tuple[tuple[int, str], ...]:
    """(first character, text) of each answer; none where the question has none."""
    value = row.get(spec.label_columns[0])
    try:
        answers = _pairs(value)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where}: '{spec.label}' is no answer with text and answer_start ({value!r:.60})") from None
    for start, answer in answers:
        if not answer or text[1][start : start + len(answer)] != answer:
            raise DataError(
                f"{where}: the context does not hold the answer {answer!r:.60} at character {start}; mend the row"
            )
    if not answers and spec.no_answer_threshold is None:
        raise DataError(
            f"{where}: the question has no answer; give the task a 'no_answer_threshold' (0.0), or drop the row"
        )
    return answers


def _pairs(value: Any) -> tuple[tuple[int, str], ...]:
    """Both shapes in use: {text: [...], answer_start: [...]}, and a list of {text, answer_start}."""
    if isinstance(value, Mapping):
        together = zip(value["answer_start"], value["text"], strict=True)
        return tuple((int(start), str(text)) for start, text in together)
    return tuple((int(one["answer_start"]), str(one["text"])) for one in value)


LABEL: dict[Kind, Callable[..., Any]] = {
    "classification": _label,
    "regression": _score,
    "multi_label": _label_set,
    "token_classification": _tags,
    "question_answering": _answers,
    "image_classification": _label,
}
