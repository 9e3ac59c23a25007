"""Several labels without torch: a label is a set, a 0 or 1 for each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import KindRows, Shown, counted, shortened
from axkit.tasks.kinds.luck import Constant, Luck, named
from axkit.tasks.kinds.multi_label.look import SetLook
from axkit.tasks.labels.classes import Survey, cell_text, kind_of_text, whole_number
from axkit.tasks.labels.columns import LabelColumn
from axkit.tasks.source.origin import brief
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, TaskSpec

_SEPARATORS = (";", "|", ",", None)


class LabelSet(LabelColumn):
    """Several labels in one cell: a list of them or of 0 and 1 for each label, or a text that parts them."""

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The labels of a cell; a text is parted by ``label_sep``, or by what parts it into known names."""
        if isinstance(value, list | tuple | np.ndarray):
            return list(value)
        if value is None and spec.label_sep is not None:
            return ()
        if not isinstance(value, str):
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}; it must be a list of labels")
        cell = value.strip()
        if kind_of_text(cell):
            what = kind_of_text(cell)
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}, the text of {what}; write JSONL")
        if spec.label_sep is not None:
            return [part.strip() for part in value.split(spec.label_sep) if part.strip()]
        names = {name.strip() for name in spec.label_names or ()}
        if cell in names:
            return (cell,)
        for mark in _SEPARATORS if names else ():
            parts = [part.strip() for part in cell.split(mark) if part.strip()]
            if parts and names.issuperset(parts):
                return parts
        if any(mark in cell for mark in ";|,") or len(cell.split()) > 1:
            raise DataError(
                f"{where}: '{spec.label}' is the text {brief(value)}; if it holds several labels, say what parts them "
                f"in 'label_sep', else name it in 'label_names'"
            )
        return (cell,)

    @classmethod
    def indicators(cls, spec: TaskSpec, found: Survey) -> bool:
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
                f"'{spec.label}' holds lists of {width} times 0 or 1; name the labels that they stand for in "
                f"'label_names'"
            )
        if names is None or len(names) != width:
            return False
        if width == 2 and not found.doubled:
            raise DataError(
                f"'{spec.label}' holds lists of 0 and 1, which may be a 0 or 1 for each label, or the labels' numbers; "
                f"write names"
            )
        return found.doubled or width == 1

    def label(self, row: Row, where: str, text: Any) -> list[int]:
        """0 or 1 for each label; a row may have none."""
        values, names = self.pieces(self.spec, self.value(row), where), self.meaning.naming.read
        if self.meaning.indicators:
            bits = [_bit(value) for value in values]
            if len(bits) != len(names) or None in bits:
                raise DataError(
                    f"{where}: '{self.spec.label}' is {brief(values)}; as in train it must have 0 or 1 for each of the "
                    f"{len(names)} labels"
                )
            return [int(bit or 0) for bit in bits]
        chosen = {self.classes.of(value, where) for value in values}
        return [int(index in chosen) for index in range(len(names))]


class LabelColumns(LabelColumn):
    """Several labels, a column of 0 and 1 for each."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> list[int]:
        """0 or 1 for each label."""
        values = [row.get(column) for column in self.spec.label_columns]
        bits = [_bit(value) for value in values]
        if None in bits:
            raise DataError(f"{where}: the label columns hold {brief(values)}; each must be 0 or 1")
        return [int(bit or 0) for bit in bits]


def _bit(value: Any) -> int | None:
    """0 or 1, in any of the ways to write it; None for anything else."""
    try:
        text = cell_text(value, "")
    except DataError:
        return None
    return {"0": 0, "1": 1, "False": 0, "True": 1, "false": 0, "true": 1}.get(whole_number(text) or text)


class SetLuck(Luck):
    """Of sets of labels."""

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The labels that more than half of train has."""
        return np.broadcast_to(train_labels.mean(0) > 0.5, golds.shape).astype(golds.dtype)

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """None, all, the most frequent labels, the most frequent set, the most frequent label.

        In this order the best for nothing, for averages over labels and all recalls, for f1_micro, for exact, and for
        precision_micro.
        """
        counts = golds.sum(0)
        order = np.argsort(-counts, kind="stable")
        sizes = np.arange(1, len(counts) + 1)
        micro = 2 * np.cumsum(counts[order]) / (sizes * len(golds) + counts.sum())
        rows, often = np.unique(golds, axis=0, return_counts=True)
        places = np.arange(len(counts))
        sets = [
            np.zeros_like(counts),
            np.ones_like(counts),
            np.isin(places, order[: micro.argmax() + 1]),
            rows[often.argmax()],
            places == order[0],
        ]
        return [
            Constant(_set_in_words(one, names), np.broadcast_to(one, golds.shape).astype(golds.dtype)) for one in sets
        ]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one set."""
        one = len(predictions) > 1 and bool((predictions == predictions[0]).all())
        return _set_in_words(predictions[0], names) if one else ""

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Column by column."""
        return predictions[:, np.argsort(order)]


def _set_in_words(labels: Any, names: Sequence[str]) -> str:
    there = np.flatnonzero(labels).tolist()
    if not there:
        return "no label"
    if len(there) == len(labels):
        return f"all {len(labels)} labels"
    shown = ", ".join(named(label, names) for label in there[:3])
    return shown + (f" and {len(there) - 3} more" if len(there) > 3 else "")


class ShownSets(Shown):
    """Names of labels."""

    def label(self, split: SplitRows, label: Any) -> str:
        """The names of those that are there."""
        chosen = [name for name, there in zip(split.label_names, label, strict=True) if there]
        return shortened(", ".join(chosen)) or "none"

    def counted(self, split: SplitRows) -> str:
        """How often each label stands there."""
        counts = split.labels.reshape(len(split), -1).sum(0).tolist()
        return counted(zip(split.label_names, counts, strict=True))


class SetRows(KindRows):
    """Rows with any number of labels."""

    label_type = np.int64
    luck = SetLuck()
    shown = ShownSets()
    look = SetLook()

    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """A set in each cell, or a column for each label."""
        return LabelColumns if len(spec.label_columns) > 1 else LabelSet

    def unlabelled(self, text: tuple[Any, ...], names: tuple[str, ...]) -> list[int]:
        """No label."""
        return [0] * len(names)

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per label."""
        return len(label_names)
