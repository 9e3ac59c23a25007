"""What a run took, and where: time, memory, processes, device and target, as types. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from axkit.ground.errors import CheckpointError
from axkit.ground.fields import Fields, present
from axkit.ground.target import DEFAULT, Target


@dataclass(frozen=True)
class Where:
    """On what a run computed, and for what its result was timed, where that is not the CPU's plain way.

    Attributes:
        target: what speed was measured for; None of the default.
        device: its name; None of a CPU.
        peak_device_memory_bytes: the most that tensors took of the device's own memory; None of a CPU.
    """

    target: Target | None = None
    device: str | None = None
    peak_device_memory_bytes: int | None = None

    @property
    def batch(self) -> int:
        """Rows at a time where throughput was measured."""
        return (self.target or DEFAULT).batch

    def to_json(self) -> dict[str, Any]:
        """The keys of a report's summary."""
        target = self.target.model_dump() if self.target else None
        return present(target=target, device=self.device, peak_device_memory_bytes=self.peak_device_memory_bytes)

    @classmethod
    def from_json(cls, data: Fields) -> Where:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        found = data.maybe("target", dict)
        try:
            target = None if found is None else Target.model_validate(found)
        except ValidationError as error:
            raise CheckpointError(f"the report's target is damaged ({error.errors()[0]['msg']})") from error
        return cls(target, data.maybe("device", str), data.maybe("peak_device_memory_bytes", int))


@dataclass(frozen=True)
class RunSpent:
    """What a run took.

    Attributes:
        wall_s: seconds, those of reused stages too.
        wall_this_run_s: of this run alone.
        peak_memory_bytes: the largest resident set of the process that measured.
        processes: that worked together.
        where: the device, and what was timed for.
    """

    wall_s: float
    wall_this_run_s: float
    peak_memory_bytes: int
    processes: int = 1
    where: Where = field(default_factory=Where)

    def to_json(self) -> dict[str, Any]:
        """The keys of a report's summary."""
        return {
            "wall_s": self.wall_s,
            "wall_this_run_s": self.wall_this_run_s,
            "peak_memory_bytes": self.peak_memory_bytes,
            **self.where.to_json(),
            "processes": self.processes,
        }

    @classmethod
    def from_json(cls, data: Fields) -> RunSpent:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            data.take("wall_s", float),
            data.take("wall_this_run_s", float),
            data.take("peak_memory_bytes", int),
            data.maybe("processes", int) or 1,
            Where.from_json(data),
        )
