"""What somebody wants of a smaller model. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from axkit.ground import registry
from axkit.ground.errors import RecipeError
from axkit.ground.figures import quantity
from axkit.ground.target import MOST_ROWS

GRAPHS = ("onnxruntime", "openvino")
PACKED = "torch-packed"
WHERE = ("cpu", "cuda", PACKED, *GRAPHS)
LABELS = ("use", "none")
EXPORT = "export"  # the pass that puts a model into another runtime, where its package is there


@dataclass(frozen=True)
class Goal:
    """A wish, in figures.

    Attributes:
        speedup: throughput in batches as a multiple of the model's own; None: as fast as ``max_drop`` allows.
        size: bytes of the model / bytes of the result; None: whatever comes of it.
        max_drop: points of the task's metric that it may cost.
        where: it will run: ``cpu``, ``cuda``, ``torch-packed``, ``onnxruntime`` or ``openvino``.
        minutes: that trying may take; a step that is not expected to end within them is not begun.
        labels: ``use`` those of the data, or ``none``.
        batch: rows at a time that it will serve; None: 32, or as many as keep a GPU busy.
    """

    speedup: float | None = None
    size: float | None = None
    max_drop: float = 1.0
    where: str = "cpu"
    minutes: float = 30.0
    labels: str = "use"
    batch: int | None = None

    def check(self) -> Goal:
        """Itself, where it can be meant.

        Raises:
            RecipeError: all that cannot.
        """
        faults = [
            *_outside("--speedup", self.speedup, 1, 100),
            *_outside("--size", self.size, 1, 100),
            *_outside("--max-drop", self.max_drop, -1e-9, 100),
            *_outside("--minutes", self.minutes, 0, 100_000),
            *_outside("--batch", self.batch, 0, MOST_ROWS),
        ]
        if self.where not in WHERE:
            faults.append(f"--for takes {', '.join(WHERE)}, not '{self.where}'")
        if self.labels not in LABELS:
            faults.append(f"--labels takes {' or '.join(LABELS)}, not '{self.labels}'")
        if self.exports and EXPORT not in registry.entries(registry.PASSES):
            faults.append(
                f"--for {self.where} needs the pass '{EXPORT}', which no package here brings; take --for cpu, which "
                f"makes a model for PyTorch"
            )
        if faults:
            raise RecipeError(faults)
        return self

    @property
    def exports(self) -> bool:
        """Whether it will run as something else than a transformers model."""
        return self.where == PACKED or self.is_graph

    @property
    def is_graph(self) -> bool:
        """Whether it will run elsewhere than in PyTorch."""
        return self.where in GRAPHS

    @property
    def has_target(self) -> bool:
        """Whether there is something to reach, so that one may stop there."""
        return self.speedup is not None or self.size is not None

    def told(self) -> str:
        """In words."""
        wanted = [
            *([] if self.speedup is None else [f"{quantity(self.speedup, 2)} times the throughput"]),
            *([] if self.size is None else [f"{quantity(self.size, 2)} times smaller"]),
        ]
        return (
            f"{' and '.join(wanted) or 'as fast as may be'} for a drop of at most {self.max_drop:g}, for {self.where}"
        )

    def options(self) -> str:
        """As the command line has them."""
        given: list[tuple[str, Any, Any]] = [
            ("--speedup", self.speedup, None),
            ("--size", self.size, None),
            ("--max-drop", self.max_drop, None),
            ("--for", self.where, "cpu"),
            ("--minutes", self.minutes, 30.0),
            ("--labels", self.labels, "use"),
            ("--batch", self.batch, None),
        ]
        return " ".join(
            f"{name} {value:g}" if isinstance(value, float | int) else f"{name} {value}"
            for name, value, default in given
            if value is not None and value != default
        )


def _outside(name: str, value: float | None, above: float, most: float) -> list[str]:
    if value is None or (math.isfinite(value) and above < value <= most):
        return []
    return [f"{name} is {value:g}; give a number above {max(above, 0):g}, and at most {most:g}"]
