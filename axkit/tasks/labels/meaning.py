"""What a task's label column means, decided once, by train; and the column of each split read so. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.labels.class_names import class_names
from axkit.tasks.labels.classes import Survey, read_off, whole_number
from axkit.tasks.labels.columns import LabelColumn, Meaning
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import Naming
from axkit.tasks.source.table import Table
from axkit.tasks.spec import Row, SplitName, Task

_REMEMBERED = 10_000  # cells that need no second look


def narrowed(rows: Sequence[Row], columns: Sequence[str]) -> Sequence[Row]:
    """The rows with these columns, as far as they are on disk; rows in memory as they are."""
    return rows.only(columns) if isinstance(rows, Table) else rows


def place_of(task: Task, split: SplitName, rows: Sequence[Row], number: int) -> str:
    """Words for a row, from 1."""
    place = rows.place(number) if isinstance(rows, Table) else f"row {number}"
    return f"task '{task.name}', {split} split, {place}"


def decided(task: Task, train: Sequence[Row], head: Head | None = None) -> Meaning:
    """What the label column of a task means, and the names of its labels.

    Args:
        task: whose ``label_names`` are the names, where it has any.
        train: its rows.
        head: of the checkpoint; its names are those of the labels.

    Raises:
        DataError: a cell that is no label, or that can be read in several ways; names that do not fit the head; tags
            that name no entities, where entities are to be scored.
    """
    spec, kind = task.spec, rows_of(task.spec.kind)
    if spec.is_unlabelled:
        return Meaning(_of_head(task, head))
    of_kind = kind.column(spec)
    if not of_kind.has_names:
        return Meaning(kind.naming(task, (), head, tuple))
    found, at = _survey(task, "train", train), f"task '{task.name}'"

    def placed(error: DataError) -> DataError:
        return error if str(error).startswith(at) else DataError(f"{at}: {error}")

    def names_of_train() -> tuple[str, ...]:
        try:
            return read_off(found)
        except DataError as error:
            raise placed(error) from None

    try:
        indicators = of_kind.indicators(spec, found)
    except DataError as error:
        raise placed(error) from None
    own = class_names(spec, train) if spec.label_names is None and found.are_numbers else None
    texts = {whole_number(text) or text for text in found.rows}
    return Meaning(kind.naming(task, texts, head, names_of_train, own), indicators)


def _of_head(task: Task, head: Head | None) -> Naming:
    """Without labels the outputs have the names that the head, or the task, gives them."""
    kind = rows_of(task.spec.kind)
    if head is None:
        raise DataError(
            f"task '{task.name}' has no labels, and the model no trained head whose answers could stand in their "
            f"place; give a model that is fine-tuned for the task"
        )
    if task.spec.label_names is None and kind.column(task.spec).has_names:
        kind.naming(task, head.names, head, tuple)  # whether they are names for this kind
        places = tuple(range(len(head.names)))
        return Naming(head.names, head.names, places, why="the model's names; the rows have no labels")
    return kind.naming(task, (), head, tuple)


def label_column(task: Task, split: SplitName, rows: Sequence[Row], meaning: Meaning) -> LabelColumn:
    """The label column of a split, to be read row by row.

    Raises:
        DataError: a cell that is no label.
    """
    spec, of_kind, naming = task.spec, rows_of(task.spec.kind).column(task.spec), meaning.naming
    worded = naming.by_place and not any(whole_number(name.strip()) for name in naming.read)
    survey = _survey(task, split, rows) if of_kind.has_names and worded else Survey()
    return of_kind(spec, meaning, survey)


def _survey(task: Task, split: SplitName, rows: Sequence[Row]) -> Survey:
    spec, of_kind, found = task.spec, rows_of(task.spec.kind).column(task.spec), Survey()
    (column,), seen = spec.label_columns, set[tuple[type, Any]]()
    for number, row in enumerate(narrowed(rows, spec.label_columns), 1):
        value = row.get(column)
        if not isinstance(value, str | int | float) or (type(value), value) not in seen:
            where = place_of(task, split, rows, number)
            found.add(of_kind.pieces(spec, value, where), where)
            if isinstance(value, str | int | float) and len(seen) < _REMEMBERED:
                seen.add((type(value), value))
    return found
