"""Regression without torch: a label is a score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import KindRows, Shown
from axkit.tasks.kinds.luck import Constant, Luck
from axkit.tasks.kinds.regression.look import ScoreLook
from axkit.tasks.labels.columns import LabelColumn
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import Naming, outputs_in_words
from axkit.tasks.source.origin import brief
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, Task, TaskSpec

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*|nan|[+-]?inf", re.IGNORECASE)
_LARGEST = 3.4e38  # of float32


class Score(LabelColumn):
    """A number."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> float:
        """The number; of a text, the number that it writes."""
        value = self.value(row)
        if isinstance(value, np.generic):
            value = value.item()
        way = ""
        if isinstance(value, str):
            if _NUMBER.fullmatch(value):
                value = float(value)
            elif _NUMBER.fullmatch(value.replace(",", ".")):
                way = f", written with a point: {value.strip().replace(',', '.')}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_score(value):
            raise DataError(f"{where}: score '{self.spec.label}' is {brief(value)}; it must be a finite number{way}")
        return float(value)


def _is_score(value: float) -> bool:
    return not math.isnan(value) and -_LARGEST < value < _LARGEST if isinstance(value, float) else abs(value) < 10**38


class ScoreLuck(Luck):
    """Of scores."""

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The mean score of train: correlates with nothing."""
        return np.full_like(golds, train_labels.mean())

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """The mean, which has the least squared error, and the median, which has the least absolute one.

        No score that is always the same correlates with anything.
        """
        return [
            Constant("one and the same score", np.full_like(golds, one)) for one in (golds.mean(), np.median(golds))
        ]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one score, but for rounding."""
        spread = float(np.ptp(predictions)) if len(predictions) > 1 else np.inf
        return "one and the same score" if spread <= 1e-6 * max(1.0, float(np.abs(predictions).max())) else ""


class ShownScores(Shown):
    """Numbers."""

    def label(self, split: SplitRows, label: Any) -> str:
        """The score."""
        return f"{float(label):g}"

    def counted(self, split: SplitRows) -> str:
        """The range, and the mean."""
        return f"{split.labels.min():g} to {split.labels.max():g}, mean {split.labels.mean():.4g}"


class ScoreRows(KindRows):
    """Rows with a score."""

    label_type = np.float64
    luck = ScoreLuck()
    shown = ShownScores()
    look = ScoreLook()

    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """A score in each cell."""
        return Score

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One."""
        return 1

    def naming(
        self,
        task: Task,
        found: Collection[str],
        head: Head | None,
        read_off: Callable[[], tuple[str, ...]],
        own: Sequence[str] | None = None,
    ) -> Naming:
        """No names; a head must have one output."""
        if head is not None and len(head.names) != 1:
            raise DataError(f"{outputs_in_words(head)}, task '{task.name}' has one score; take a model without a head")
        return Naming()
