"""What to serve on this machine: of what a run has timed the fastest, for one input and for many. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from axkit.ground.fields import Fields, present
from axkit.run.records import StageRecord, StageSpeed, StoredAs

RUNTIME = "runtime"  # the setting of a pass that says in which runtime its result answers
_TORCH = "torch"
_STAYS = 1.05  # times as fast something else must be as the result itself


@dataclass(frozen=True)
class Option:
    """A way to serve the model that was timed in this run.

    Attributes:
        precision: ``int8``, ``bfloat16``, ``float32``; of a stage that timed none beside its own its pass, and ``before
            ...`` for what that started from.
        runtime: that answers.
        throughput_times: in batches, as a multiple of the dense model's.
        latency_times: how many times as quick as the dense model it is on one input; None: not timed.
        weights_bytes: None where they were not counted.
        is_result: it is what the run's folder holds.
    """

    precision: str
    runtime: str
    throughput_times: float
    latency_times: float | None
    weights_bytes: float | None = None
    is_result: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return present(**vars(self))

    @classmethod
    def from_json(cls, data: Fields) -> Option:
        """The inverse of ``to_json``."""
        return cls(
            data.take("precision", str),
            data.take("runtime", str),
            data.take("throughput_times", float),
            data.maybe("latency_times", float),
            data.maybe("weights_bytes", float),
            bool(data.maybe("is_result", bool)),
        )


@dataclass(frozen=True)
class Recommendation:
    """What was the fastest here.

    Attributes:
        latency: on one input.
        throughput: in batches.
        options: all that were timed, the result first.
    """

    latency: Option
    throughput: Option
    options: tuple[Option, ...]

    @classmethod
    def of(
        cls, stages: Sequence[StageRecord], throughput: float, latency: float, beside: Sequence[StoredAs] = ()
    ) -> Recommendation | None:
        """Of a run; None where nothing was timed that one could choose from.

        Args:
            stages: in order.
            throughput: of the result in batches, as a multiple of the dense model's.
            latency: how many times as quick as the dense model it is on one input.
            beside: the result and other precisions of it, timed at the end where its last pass timed none; it is last.
        """
        options = tuple(_options([stage for stage in stages if not stage.undone], throughput, latency, beside))
        if len(options) < 2:
            return None
        return cls(_fastest(options, single=True), _fastest(options, single=False), options)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "latency": self.latency.to_json(),
            "throughput": self.throughput.to_json(),
            "options": [one.to_json() for one in self.options],
        }

    @classmethod
    def from_json(cls, data: Fields) -> Recommendation:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        options = tuple(Option.from_json(one) for one in data.parts("options"))
        single, batch = (Option.from_json(data.part(name)) for name in ("latency", "throughput"))
        return cls(single, batch, options)


def _fastest(options: Sequence[Option], single: bool) -> Option:
    """The result, unless something else is clearly faster."""

    def times(one: Option) -> float:
        return (one.latency_times or 0.0) if single else one.throughput_times

    best = max(options, key=times)
    return best if times(best) > _STAYS * times(options[0]) else options[0]


def _options(
    stages: Sequence[StageRecord], throughput: float, latency: float, beside: Sequence[StoredAs]
) -> Iterator[Option]:
    """The result, and what else was timed of the same model: other precisions, and what its last stage started from."""
    if not stages or _compared(stages[-1]) is None:
        return
    last = stages[-1]
    yield from _of_stage(last, throughput, latency, is_result=True, beside=beside)
    before = stages[-2] if len(stages) > 1 else None
    speed = _compared(before) if before is not None else None
    if not last.told.precisions and before is not None and speed is not None and speed.beside is not None:
        for one in _of_stage(before, speed.beside.throughput_ratio, speed.latency_times, is_result=False):
            yield one if before.told.precisions else replace(one, precision=f"before {last.applied.name}")


def _compared(stage: StageRecord) -> StageSpeed | None:
    """The speed of a stage that was timed beside the dense model."""
    return stage.speed if stage.speed is not None and stage.speed.beside is not None else None


def _of_stage(
    stage: StageRecord, throughput: float, latency: float | None, is_result: bool, beside: Sequence[StoredAs] = ()
) -> Iterator[Option]:
    """What a stage left, and the other precisions that were timed beside it."""
    runtime, precisions = str(stage.applied.config.get(RUNTIME, _TORCH)), stage.told.precisions or beside
    if not precisions:
        yield Option(stage.applied.name, runtime, throughput, latency, None, is_result)
        return
    own = precisions[-1]
    yield Option(own.stored_as, runtime, throughput, latency, own.weights_bytes, is_result)
    for one in precisions[-2::-1]:
        batch = throughput * one.times / own.times
        yield Option(one.stored_as, _TORCH, batch, _single(one, own, latency), one.weights_bytes)


def _single(one: StoredAs, own: StoredAs, latency: float | None) -> float | None:
    if one.times_b1 is None or own.times_b1 is None or latency is None:
        return None
    return latency * one.times_b1 / own.times_b1
