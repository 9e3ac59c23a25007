"""What a task's label column means, decided once, by train; and the column of each split read so. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.labels.class_names import class_names
from axkit.tasks.labels.classes import Survey, read_off, whole_number
from axkit.tasks.labels.columns import LabelColumn, Meaning, column_type
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import agree
from axkit.tasks.source.table import Table
from axkit.tasks.spec import Row, SplitName, Task, TaskSpec

_REMEMBERED = 10_000  # cells that need no second look
_ENTITY = ("B-", "I-", "E-", "S-")


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
    spec = task.spec
    if not column_type(spec).has_names:
        return Meaning(agree(task, (), head, tuple))
    found, at = _survey(task, "train", train), f"task '{task.name}'"

    def placed(error: DataError) -> DataError:
        return error if str(error).startswith(at) else DataError(f"{at}: {error}")

    def names_of_train() -> tuple[str, ...]:
        try:
            return read_off(found)
        except DataError as error:
            raise placed(error) from None

    try:
        indicators = spec.kind == "multi_label" and _are_indicators(spec, found)
    except DataError as error:
        raise placed(error) from None
    own = class_names(spec, train) if spec.label_names is None and found.are_numbers else None
    naming = agree(task, {whole_number(text) or text for text in found.rows}, head, names_of_train, own)
    if spec.kind == "token_classification" and "entity_f1" in spec.metric_names:
        strange = [name for name in naming.names if name != "O" and not name.startswith(_ENTITY)]
        if strange:
            raise DataError(
                f"{at}: '{strange[0]}' is no tag of an entity (B-PER, I-PER, O), which entity_f1 needs; "
                f"set 'label_names', or 'metric: token_accuracy'"
            )
    return Meaning(naming, indicators)


def label_column(task: Task, split: SplitName, rows: Sequence[Row], meaning: Meaning) -> LabelColumn:
    """The label column of a split, to be read row by row.

    Raises:
        DataError: a cell that is no label.
    """
    spec, of_kind, naming = task.spec, column_type(task.spec), meaning.naming
    worded = naming.by_place and not any(whole_number(name.strip()) for name in naming.read)
    survey = _survey(task, split, rows) if of_kind.has_names and worded else Survey()
    return of_kind(spec, meaning, survey)


def _survey(task: Task, split: SplitName, rows: Sequence[Row]) -> Survey:
    spec, of_kind, found = task.spec, column_type(task.spec), Survey()
    (column,), seen = spec.label_columns, set[tuple[type, Any]]()
    for number, row in enumerate(narrowed(rows, spec.label_columns), 1):
        value = row.get(column)
        if not isinstance(value, str | int | float) or (type(value), value) not in seen:
            where = place_of(task, split, rows, number)
            found.add(of_kind.pieces(spec, value, where), where)
            if isinstance(value, str | int | float) and len(seen) < _REMEMBERED:
                seen.add((type(value), value))
    return found


def _are_indicators(spec: TaskSpec, found: Survey) -> bool:
    """True where every list is a 0 or 1 for each label: as labels, some would stand in a list twice.

    Raises:
        DataError: two labels, and lists that can be read in both ways; more labels than have names.
    """
    if not found.are_bits or len(found.widths) != 1 or found.widths & {0}:
        return False
    (width,) = found.widths
    names = spec.label_names
    if names is None and found.doubled:
        raise DataError(
            f"'{spec.label}' holds lists of {width} times 0 or 1; name the labels that they stand for in 'label_names'"
        )
    if names is None or len(names) != width:
        return False
    if width == 2 and not found.doubled:
        raise DataError(
            f"'{spec.label}' holds lists of 0 and 1, which may be a 0 or 1 for each label, or the labels' numbers; "
            f"write names"
        )
    return found.doubled or width == 1
