"""A metric of rows: what it is called, what it is of, and the function. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from axkit.ground import fence
from axkit.ground.errors import PluginError, shown

Points = float | Mapping[str, float]
Function = Callable[[Any, Any, tuple[str, ...]], Points]


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: as tasks say it.
        function: (predictions, golds, names of the classes) of some rows -> points, 0..100 or -100..100, the higher the
            better; for each class where it is ``per_class``. Predictions and golds are arrays as the kind of task makes
            them, with a row in each place.
        about: one line.
        kinds: of tasks that it fits, where a package of its own registers it.
        one_class: it is of one class against all others (``f1``): it is given arrays of True and False.
        per_class: it gives a number for each class, by name: told in tables, and nothing is decided on it.
        is_error: the lower the better, in the unit of the labels: told, and nothing is decided on it.
        package: whose it is, for messages; empty for what a kind of task brings.
        is_share: it is the share of rows, or words, that are answered as the golds say.
    """

    name: str
    function: Function
    about: str = ""
    kinds: tuple[str, ...] = ()
    one_class: bool = False
    per_class: bool = False
    is_error: bool = False
    package: str = ""
    is_share: bool = False

    @property
    def agreement(self) -> str:
        """What it is called where the golds are another model's answers: nobody knows who of the two is right."""
        return "agreement" if self.is_share else f"agreement_{self.name}"

    @property
    def decides(self) -> bool:
        """True for one number in points, the higher the better."""
        return not (self.per_class or self.is_error)

    def of_package(self, whose: str) -> Metric:
        """The same, of a package whose faults are told by name."""
        return replace(self, package=whose)

    def points(self, predictions: Any, golds: Any, names: tuple[str, ...] = (), positive: int = 1) -> Points:
        """Of some rows.

        Args:
            predictions: one for each row.
            golds: likewise.
            names: of classes 0, 1, ...
            positive: the class that a metric of one class is of.

        Raises:
            PluginError: a stranger's metric failed, or gave no finite number.
        """
        if self.one_class:
            predictions, golds = predictions == positive, golds == positive
        if not self.package:
            return self.function(predictions, golds, names)
        with fence.answering(self.package, "failed on the rows", limited=False):
            found = self.function(predictions, golds, names)
            values = dict(found) if isinstance(found, Mapping) else found
        self._check(values)
        return values

    def _check(self, found: Any) -> None:
        if isinstance(found, dict) != self.per_class:
            wanted = "a number for each class" if self.per_class else "one number"
            raise PluginError(f"{self.package} gave {shown(repr(found))}, not {wanted}; mend that package")
        for value in found.values() if isinstance(found, dict) else (found,):
            try:
                finite = math.isfinite(value)
            except TypeError:
                finite = False
            if not finite:
                raise PluginError(f"{self.package} gave {shown(repr(value))}, which is no finite number; mend it")
