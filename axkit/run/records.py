"""What the report says of one stage, as types; each knows its own keys. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from axkit.anatomy.structure import Structure
from axkit.ground.fields import Fields, present
from axkit.measure.figures import Speed

FRONTIER = "frontier"  # the name of a table with speedup and metric_search, drawn as well
PRECISIONS = "precisions"  # of one with stored_as and times_float32: what `recommend` chooses from


@dataclass(frozen=True)
class Standing:
    """How a model does on the search split.

    Attributes:
        score: points of the metric that decides.
        loss_nats: mean over rows.
    """

    score: float
    loss_nats: float


@dataclass(frozen=True)
class Applied:
    """The pass of a stage.

    Attributes:
        index: of the stage in the recipe, from 0.
        name: the registered name of the pass.
        source: the distribution it came from, ``"name version"``.
        config: its settings, resolved.
    """

    index: int
    name: str
    source: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class FrontierPoint:
    """A model on the way of a search.

    Attributes:
        speedup: throughput in batches as a multiple of the dense model's.
        score: on the search split, points.
    """

    speedup: float
    score: float


@dataclass(frozen=True)
class StoredAs:
    """A model as it is stored in one way, timed beside others (a row of a pass's table ``precisions``).

    Attributes:
        stored_as: float32, bfloat16, int8.
        times: its throughput in batches as a multiple of the float32 model's.
        times_b1: how many times as quick as that it is on one input; None where it was not timed.
        weights_bytes: of its weights; None where they were not counted.
    """

    stored_as: str
    times: float
    times_b1: float | None
    weights_bytes: float | None


@dataclass(frozen=True)
class Told:
    """What a pass says of itself (``axkit.Result``).

    Attributes:
        note: a sentence; what the engine has to add stands in it too.
        facts: numbers, each key ends in its unit.
        tables: name -> rows, numbers or short texts by key.
    """

    note: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def frontier(self) -> list[FrontierPoint]:
        """The models that a search scored on its way; others of its table are left out."""
        return [
            FrontierPoint(float(row["speedup"]), float(row["metric_search"]))
            for row in self.tables.get(FRONTIER, ())
            if "metric_search" in row
        ]

    @property
    def precisions(self) -> list[StoredAs]:
        """The ways to store the model that a pass timed beside each other; the last is how it left it."""
        rows = (row for row in self.tables.get(PRECISIONS, ()) if {"stored_as", "times_float32"} <= row.keys())
        return [
            StoredAs(row["stored_as"], row["times_float32"], row.get("times_float32_b1"), row.get("weights_bytes"))
            for row in rows
        ]

    @property
    def criterion_nats(self) -> tuple[float, float] | None:
        """What a search went by, at its start and at its end; None of a pass that does not say."""
        before, after = (self.facts.get(f"search_loss_{when}_nats") for when in ("before", "after"))
        return None if before is None or after is None else (before, after)


@dataclass(frozen=True)
class Beside:
    """The dense model's speed, timed in turn with a stage's.

    Attributes:
        latency_b1_ms_p50: of the dense model.
        throughput_b32_per_s: of the dense model.
        throughput_ratio: the stage's throughput as a multiple of that.
    """

    latency_b1_ms_p50: float
    throughput_b32_per_s: float
    throughput_ratio: float

    def to_json(self) -> dict[str, float]:
        """Plain JSON."""
        return {
            "latency_b1_ms_p50_dense": self.latency_b1_ms_p50,
            "throughput_b32_per_s_dense": self.throughput_b32_per_s,
            "throughput_ratio": self.throughput_ratio,
        }

    @classmethod
    def from_json(cls, data: Fields) -> Beside | None:
        """The inverse of ``to_json``; None of a stage that is timed alone, up to the dense model itself."""
        quotient = data.maybe("throughput_ratio", float)
        if quotient is None:
            return None
        single, batch = (data.take(f"{name}_dense", float) for name in ("latency_b1_ms_p50", "throughput_b32_per_s"))
        return cls(single, batch, quotient)


@dataclass(frozen=True)
class StageSpeed:
    """How fast a stage's result is.

    Attributes:
        own: of what the stage made.
        beside: of the dense model in turn with it; None as long as there is none.
    """

    own: Speed
    beside: Beside | None

    @classmethod
    def of(cls, own: Speed, dense: Speed | None) -> StageSpeed:
        """Of two models that were timed in turn, or of one alone."""
        if dense is None:
            return cls(own, None)
        quotient = own.throughput_b32_per_s / dense.throughput_b32_per_s
        return cls(own, Beside(dense.latency_b1_ms_p50, dense.throughput_b32_per_s, quotient))

    @property
    def latency_times(self) -> float | None:
        """How many times as quick as the dense model it is on one input; None as long as there is none."""
        return self.beside.latency_b1_ms_p50 / self.own.latency_b1_ms_p50 if self.beside else None

    def to_json(self) -> dict[str, float]:
        """Plain JSON."""
        return {**self.own.to_json(), **(self.beside.to_json() if self.beside else {})}

    @classmethod
    def from_json(cls, data: Fields) -> StageSpeed | None:
        """The inverse of ``to_json``; None where nothing was timed."""
        if data.maybe("throughput_b32_per_s", float) is None:
            return None
        return cls(Speed.from_json(data), Beside.from_json(data))


@dataclass(frozen=True)
class Spent:
    """What a stage took.

    Attributes:
        wall_s: seconds in the pass.
        peak_memory_bytes: the largest resident set of the process until then.
        peak_device_memory_bytes: the most that tensors took of the device's own memory; None of a CPU.
    """

    wall_s: float
    peak_memory_bytes: int
    peak_device_memory_bytes: int | None = None


@dataclass(frozen=True)
class StageRecord:
    """What one pass did, and what its result is.

    Attributes:
        applied: the pass.
        told: what it says of itself.
        search: how the result does on the search split.
        values: numbers in the model, whatever their width.
        structure: what is left of it.
        speed: None in a process that does not time.
        spent: on it.
        undone: it went over its budget, and the result is what it started from.
        new_tokenizer: the pass left another one.
        reused: an earlier run made it.
        bytes: on disk; 0 until it is saved.
    """

    applied: Applied
    told: Told
    search: Standing
    values: int
    structure: Structure
    speed: StageSpeed | None
    spent: Spent
    undone: bool = False
    new_tokenizer: bool = False
    reused: bool = False
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """As report.json and stage.json have it."""
        return {
            "index": self.applied.index,
            "pass": self.applied.name,
            "source": self.applied.source,
            "config": dict(self.applied.config),
            "undone": self.undone,
            "new_tokenizer": self.new_tokenizer,
            "reused": self.reused,
            "note": self.told.note,
            "facts": dict(self.told.facts),
            "tables": {name: [dict(row) for row in rows] for name, rows in self.told.tables.items()},
            "wall_s": self.spent.wall_s,
            "metric_search": self.search.score,
            "loss_search_nats": self.search.loss_nats,
            "parameters": self.values,
            "structure": self.structure.to_json(),
            **(self.speed.to_json() if self.speed else {}),
            "peak_memory_bytes": self.spent.peak_memory_bytes,
            **present(peak_device_memory_bytes=self.spent.peak_device_memory_bytes),
            "bytes": self.bytes,
        }

    def in_short(self) -> dict[str, Any]:
        """As sweep.json has it."""
        kept = ("pass", "undone", "reused", "note", "facts", "wall_s", "bytes")
        return {key: value for key, value in self.to_json().items() if key in kept}

    @classmethod
    def from_json(cls, data: Fields) -> StageRecord:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        take, maybe = data.take, data.maybe
        return cls(
            applied=Applied(take("index", int), take("pass", str), take("source", str), take("config", dict)),
            told=Told(take("note", str), data.table("facts", float), data.table("tables", list)),
            search=Standing(take("metric_search", float), take("loss_search_nats", float)),
            values=take("parameters", int),
            structure=Structure.from_json(take("structure", dict)),
            speed=StageSpeed.from_json(data),
            spent=Spent(take("wall_s", float), take("peak_memory_bytes", int), maybe("peak_device_memory_bytes", int)),
            undone=take("undone", bool),
            new_tokenizer=bool(maybe("new_tokenizer", bool)),
            reused=take("reused", bool),
            bytes=take("bytes", int),
        )
