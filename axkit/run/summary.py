"""The final comparison of a run, as a type: dense against result, on the test split. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axkit.ground.fields import Fields
from axkit.measure.figures import Host, Rounds, Speed
from axkit.run.quality import ControlFound, ControlRecord, Quality
from axkit.run.recommend import Recommendation
from axkit.run.records import Standing
from axkit.run.row_counts import RowCounts
from axkit.run.spent import RunSpent


@dataclass(frozen=True)
class Both:
    """One figure of the two models.

    Attributes:
        dense: of the dense model.
        result: of the result.
    """

    dense: float
    result: float

    @property
    def ratio(self) -> float:
        """The dense model's as a multiple of the result's."""
        return self.dense / self.result

    def to_json(self, name: str) -> dict[str, float]:
        """Two keys."""
        return {f"{name}_dense": self.dense, f"{name}_result": self.result}

    @classmethod
    def from_json(cls, data: Fields, name: str) -> Both:
        """The inverse of ``to_json``."""
        return cls(data.take(f"{name}_dense", float), data.take(f"{name}_result", float))


@dataclass(frozen=True)
class Speeds:
    """The two models, timed in turn.

    Attributes:
        dense: of the dense model.
        result: of the result.
        rounds: those in which the result was ahead; None in a report of before they were counted.
        hosts: of both, in that order, what the host had to do; None where the host itself computes.
    """

    dense: Speed
    result: Speed
    rounds: Rounds | None = None
    hosts: tuple[Host, Host] | None = None

    @classmethod
    def of(cls, dense: Speed, result: Speed, on_device: bool) -> Speeds:
        """Of two models that were timed in turn.

        Args:
            dense: of the dense model.
            result: of the result.
            on_device: they were timed on another device than a CPU.
        """
        hosts = (dense.host, result.host) if on_device else None
        return cls(dense, result, result.rounds_ahead(dense), hosts)

    @property
    def throughput_ratio(self) -> float:
        """The result's inputs per second, as a multiple of the dense model's."""
        return self.result.throughput_b32_per_s / self.dense.throughput_b32_per_s

    @property
    def latency_ratio(self) -> float:
        """How many times as quick the result is on one input."""
        return self.dense.latency_b1_ms_p50 / self.result.latency_b1_ms_p50

    def to_json(self) -> dict[str, float]:
        """The keys of a report's summary."""
        dense, result = self.hosts or (None, None)
        return {
            **self.dense.to_json("_dense"),
            **self.result.to_json("_result"),
            **(self.rounds.to_json() if self.rounds else {}),
            **(dense.to_json("_dense") if dense else {}),
            **(result.to_json("_result") if result else {}),
        }

    @classmethod
    def from_json(cls, data: Fields) -> Speeds:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        dense, result = Host.from_json(data, "_dense"), Host.from_json(data, "_result")
        return cls(
            Speed.from_json(data, "_dense"),
            Speed.from_json(data, "_result"),
            Rounds.from_json(data),
            (dense, result) if dense and result else None,
        )


@dataclass(frozen=True)
class Baseline:
    """The dense model.

    Attributes:
        is_untrained: nobody trained it for the task.
        stage: the name of its stage's folder.
        is_result: the recipe only trains.
    """

    is_untrained: bool = False
    stage: str = ""
    is_result: bool = False

    def to_json(self) -> dict[str, Any]:
        """The keys of a report's summary."""
        return {
            "dense_is_untrained": self.is_untrained,
            "dense_stage": self.stage,
            "dense_is_result": self.is_result,
        }

    @classmethod
    def from_json(cls, data: Fields) -> Baseline:
        """The inverse of ``to_json``."""
        untrained, result = (bool(data.maybe(f"dense_is_{what}", bool)) for what in ("untrained", "result"))
        return cls(untrained, data.maybe("dense_stage", str) or "", result)


@dataclass(frozen=True)
class Searched:
    """The two models on the search split, which decided.

    Attributes:
        dense: the dense model.
        result: the result.
    """

    dense: Standing
    result: Standing

    def to_json(self) -> dict[str, float]:
        """The keys of a report's summary."""
        return {
            "metric_search_dense": self.dense.score,
            "metric_search_result": self.result.score,
            "loss_search_dense_nats": self.dense.loss_nats,
            "loss_search_result_nats": self.result.loss_nats,
        }

    @classmethod
    def from_json(cls, data: Fields) -> Searched:
        """The inverse of ``to_json``."""
        found = (
            Standing(data.take(f"metric_search_{one}", float), data.take(f"loss_search_{one}_nats", float))
            for one in ("dense", "result")
        )
        return cls(*found)


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes:
        quality: of the two models on the test split.
        values: numbers in each, whatever their width.
        speeds: of each, timed in turn.
        baseline: what the dense model is.
        searched: the two on the search split.
        bytes: of each on disk.
        spent: on the run.
        rows: that it went by.
        label_names: in the order of the model's outputs.
        control: the same training without the cuts; None in a report of before there were controls.
        recommend: what to serve on this machine; None where there is nothing to choose from, or of before.
        came: the model as it came, where it was ready for the task and the recipe trained it first; else None.
    """

    quality: Quality
    values: Both
    speeds: Speeds
    baseline: Baseline
    searched: Searched
    bytes: Both
    spent: RunSpent
    rows: RowCounts
    label_names: tuple[str, ...] = ()
    control: ControlRecord | None = None
    recommend: Recommendation | None = None
    came: ControlFound | None = None

    def to_json(self) -> dict[str, Any]:
        """As report.json has it."""
        return {
            **self.quality.to_json(),
            **self.values.to_json("parameters"),
            **self.speeds.to_json(),
            **self.baseline.to_json(),
            **self.searched.to_json(),
            **self.bytes.to_json("bytes"),
            **self.spent.to_json(),
            **self.rows.to_json(),
            "label_names": list(self.label_names),
            **({} if self.control is None else {"control": self.control.to_json()}),
            **({} if self.recommend is None else {"recommend": self.recommend.to_json()}),
            **({} if self.came is None else {"as_it_came": self.came.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Fields) -> Summary:
        """The inverse of ``to_json``; a report of an earlier axkit lacks what came later.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            quality=Quality.from_json(data),
            values=Both.from_json(data, "parameters"),
            speeds=Speeds.from_json(data),
            baseline=Baseline.from_json(data),
            searched=Searched.from_json(data),
            bytes=Both.from_json(data, "bytes"),
            spent=RunSpent.from_json(data),
            rows=RowCounts.from_json(data),
            label_names=data.texts("label_names"),
            control=ControlRecord.from_json(data.part("control")) if data.has("control") else None,
            recommend=Recommendation.from_json(data.part("recommend")) if data.has("recommend") else None,
            came=ControlFound.from_json(data.part("as_it_came")) if data.has("as_it_came") else None,
        )
