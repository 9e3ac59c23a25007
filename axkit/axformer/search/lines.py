"""A line of a search's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from axkit.ground.fields import present


@dataclass(frozen=True)
class Judged:
    """One candidate that was judged.

    Attributes:
        element: what was to go, ``ffn/3`` or ``attention/3/head/0``, or to be hard, ``hard/3``.
        loss: what must fall, over all rows; a lower bound where it is not ``whole``. In nats, but for the criterion
            ``metric``.
        votes: rows no worse than under the dense model, among those seen.
        seen: rows evaluated.
        whole: False where not every row was run in float32, the candidate's fate being sealed.
        screened: True when bfloat16 had a part in sealing it.
        samples: rows there are.
        accepted: whether it was kept.
        best: the least loss so far, this one included.
        seconds: that it took.
        fresh: what must fall, over rows that it was not chosen on; None where it was not asked for it.
    """

    element: str
    loss: float
    votes: int
    seen: int
    whole: bool
    screened: bool
    samples: int
    accepted: bool
    best: float
    seconds: float
    fresh: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return present(**asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judged:
        """The inverse of ``to_json``; lines have a checksum, so they are as they were written."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})
