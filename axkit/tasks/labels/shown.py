"""How rows were read, in a few lines: for ``axkit plan``. Imports no torch."""

from __future__ import annotations

from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.data import shortened as shortened
from axkit.tasks.source.rows import TaskRows
from axkit.tasks.spec import TaskSpec

ROWS = 3  # that are shown


def shown_rows(spec: TaskSpec, rows: TaskRows) -> list[str]:
    """A line for each of the first rows of train: its texts, shortened, and its label by name."""
    train, shown = rows.splits["train"], rows_of(spec.kind).shown
    some = range(min(ROWS, len(train)))
    if spec.is_unlabelled:
        return [shown.text(train.texts[index]) for index in some]
    return [f"{shown.text(train.texts[index])} -> {shown.label(train, train.labels[index])}" for index in some]


def shown_labels(spec: TaskSpec, rows: TaskRows) -> dict[str, str]:
    """Split -> how often each label stands there, or the range of its scores; nothing where rows have no labels."""
    if spec.is_unlabelled:
        return {}
    shown = rows_of(spec.kind).shown
    return {name: shown.counted(split) for name, split in rows.splits.items()}
