"""The lines that a search with a budget writes in its journal, and the points of its frontier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from axkit.ground.fields import Fields, present


@dataclass(frozen=True)
class Looked:
    """What a candidate would cost.

    Attributes:
        at: round, step and element.
        loss: the criterion, mean over rows.
        seen: rows evaluated.
        samples: rows there are.
        seconds: that it took.
    """

    at: str
    loss: float
    seen: int
    samples: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"at": self.at, "element": self.at.split(":")[1], **asdict(self)}


@dataclass(frozen=True)
class Timed:
    """How long a shape takes.

    Attributes:
        shape: what was timed, by a name.
        ratio: to the dense model, or to a layer of it.
    """

    shape: str
    ratio: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Took:
    """What was removed.

    Attributes:
        element: blocks, heads or neurons.
        loss: the criterion after it.
        speedup: throughput as a multiple of the dense model's.
        size: of the dense model's weights, as a multiple of what is left.
    """

    element: str
    loss: float
    speedup: float
    size: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"element": self.element, "accepted": True, "loss": self.loss, **self._rounded()}

    def _rounded(self) -> dict[str, float]:
        return {"speedup": round(self.speedup, 4), "size": round(self.size, 4)}


Line = Looked | Timed | Took


def read_line(data: Mapping[str, Any]) -> Line:
    """A line of the journal, by what stands in it.

    Raises:
        CheckpointError: it is none of these.
    """
    line = Fields(data, "the journal's line")
    if line.has("shape"):
        return Timed(line.take("shape", str), line.take("ratio", float))
    if line.has("at"):
        seen, samples = line.take("seen", int), line.take("samples", int)
        return Looked(line.take("at", str), line.take("loss", float), seen, samples, line.take("seconds", float))
    return Took(line.take("element", str), *(line.take(name, float) for name in ("loss", "speedup", "size")))


@dataclass(frozen=True)
class Point:
    """A model on the way: a row of the table ``frontier``.

    Attributes:
        round: number of the round, from 0.
        kind: ``start``, ``carved``, ``recovered``, or the element that was removed.
        speedup: throughput as a multiple of the dense model's.
        size: of the dense model's weights, as a multiple of what is left.
        metric_search: points on the search split, where it was scored.
        loss_search: the criterion on some of its rows, where it was not.
    """

    round: int
    kind: str
    speedup: float
    size: float
    metric_search: float | None = None
    loss_search: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, to four places."""
        found = present(**asdict(self))
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}
