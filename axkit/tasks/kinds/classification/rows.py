"""Classification without torch: a label is a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.classification.look import ClassLook
from axkit.tasks.kinds.data import KindRows, Shown, counted, shortened
from axkit.tasks.kinds.luck import Constant, Luck, named
from axkit.tasks.labels.columns import LabelColumn
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, Task, TaskSpec


class OneLabel(LabelColumn):
    """A class."""

    def label(self, row: Row, where: str, text: Any) -> int:
        """The class, 0, 1, ..."""
        return self.classes.of(self.value(row), where)


class ClassLuck(Luck):
    """Of classes."""

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The most frequent label of train."""
        return np.full_like(golds, np.bincount(train_labels).argmax())

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """Each label that a row has."""
        return [Constant(named(int(label), names), np.full_like(golds, label)) for label in np.unique(golds)]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one label."""
        one = len(predictions) > 1 and bool((predictions == predictions[0]).all())
        return named(int(predictions[0]), names) if one else ""

    def renumbered(self, predictions: Any, order: Any) -> Any:
        """Number by number."""
        return order[predictions]


class ShownClasses(Shown):
    """Names of classes."""

    def label(self, split: SplitRows, label: Any) -> str:
        """The name."""
        return shortened(split.label_names[int(label)])

    def counted(self, split: SplitRows) -> str:
        """How often each class stands there."""
        counts = np.bincount(split.labels, minlength=len(split.label_names)).tolist()
        return counted(zip(split.label_names, counts, strict=True))


class ClassRows(KindRows):
    """Rows with one label of several."""

    label_type = np.int64
    stratified = True
    luck = ClassLuck()
    shown = ShownClasses()
    look = ClassLook()

    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """A class in each cell."""
        return OneLabel

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per label."""
        return len(label_names)

    def check(self, task: Task, train_labels: Any) -> None:
        """Two labels or more."""
        if len(np.unique(train_labels)) < 2:
            raise DataError(
                f"task '{task.name}': a classification needs two labels or more, train has 1; give rows of another "
                f"label"
            )
