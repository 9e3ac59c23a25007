"""What a result scores on the test split, beside the dense model, a constant answer and a control. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from axkit.ground.fields import Fields
from axkit.measure.figures import Interval, Paired


@dataclass(frozen=True)
class Score:
    """One model on the test split.

    Attributes:
        points: by the metric that decides.
        interval: of them, 95 %.
        loss_nats: mean over rows.
        metrics: points by all metrics of the task.
        answers_only: the answer that it gives to all rows, in words; empty where it gives several.
    """

    points: float
    interval: Interval
    loss_nats: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    answers_only: str = ""

    @classmethod
    def from_json(cls, data: Fields, whose: str) -> Score:
        """Of the keys with ``dense`` or ``result`` in them."""
        return cls(
            points=data.take(f"metric_{whose}", float),
            interval=Interval(data.take(f"metric_{whose}_low", float), data.take(f"metric_{whose}_high", float)),
            loss_nats=data.take(f"loss_test_{whose}_nats", float),
            metrics=data.table(f"metrics_{whose}", float) if data.has(f"metrics_{whose}") else {},
            answers_only=data.maybe(f"{whose}_answers_only", str) or "",
        )


@dataclass(frozen=True)
class Change:
    """The result's score beside the dense model's, on the same rows.

    Attributes:
        p: two-sided, of the paired test.
        interval: of the change in points, 95 %; None in a report of before it was taken.
        resolution: points, about the least change that these rows could tell from chance; None likewise.
    """

    p: float
    interval: Interval | None = None
    resolution: float | None = None

    @classmethod
    def of(cls, pair: Paired) -> Change:
        """Of a comparison."""
        return cls(pair.p, pair.interval, pair.resolution)

    @classmethod
    def from_json(cls, data: Fields) -> Change:
        """Of the keys of a report's summary."""
        low, high = (data.maybe(f"metric_change_{end}", float) for end in ("low", "high"))
        interval = None if low is None or high is None else Interval(low, high)
        return cls(data.take("p_value_paired", float), interval, data.maybe("metric_resolution", float))


@dataclass(frozen=True)
class Constant:
    """The best that one and the same answer to every row scores.

    Attributes:
        points: by the metric that decides.
        answer: in words.
        metrics: points by all metrics, each of the answer that is the best by it.
        p: two-sided, of the paired test of the result against it.
    """

    points: float
    answer: str
    metrics: Mapping[str, float]
    p: float

    @classmethod
    def from_json(cls, data: Fields) -> Constant | None:
        """Of the keys of a report's summary; None of a report of before it was known."""
        if not data.has("metric_constant"):
            return None
        return cls(
            data.take("metric_constant", float),
            data.take("metric_constant_answer", str),
            data.table("metrics_constant", float),
            data.take("p_value_constant", float),
        )


@dataclass(frozen=True)
class Quality:
    """What the two models score on the test split.

    Attributes:
        metric_name: of the metric that decides.
        dense: the model that the result is measured against.
        result: what the recipe made of it.
        change: the two side by side.
        constant: the best constant answer; None in a report of before it was known.
        majority: points of train's most frequent label.
        unlabelled: the rows have no labels, and the dense model's answers stand in their place: the metric is an
            agreement, a loss the mean divergence from these answers.
    """

    metric_name: str
    dense: Score
    result: Score
    change: Change
    constant: Constant | None
    majority: float
    unlabelled: bool = False

    @property
    def moved(self) -> float:
        """Points that the result is above the dense model."""
        return self.result.points - self.dense.points

    def to_json(self) -> dict[str, Any]:
        """The keys of a report's summary."""
        interval, luck = self.change.interval, self.constant
        return {
            "metric_name": self.metric_name,
            "metric_dense": self.dense.points,
            "metric_dense_low": self.dense.interval.low,
            "metric_dense_high": self.dense.interval.high,
            "metric_result": self.result.points,
            "metric_result_low": self.result.interval.low,
            "metric_result_high": self.result.interval.high,
            **({"metric_change_low": interval.low, "metric_change_high": interval.high} if interval else {}),
            **({} if self.change.resolution is None else {"metric_resolution": self.change.resolution}),
            "p_value_paired": self.change.p,
            "loss_test_dense_nats": self.dense.loss_nats,
            "loss_test_result_nats": self.result.loss_nats,
            "metrics_dense": dict(self.dense.metrics),
            "metrics_result": dict(self.result.metrics),
            **({"metric_constant": luck.points, "metric_constant_answer": luck.answer} if luck else {}),
            **({"metrics_constant": dict(luck.metrics), "p_value_constant": luck.p} if luck else {}),
            "dense_answers_only": self.dense.answers_only,
            "result_answers_only": self.result.answers_only,
            "metric_majority": self.majority,
            **({"labels": "none"} if self.unlabelled else {}),
        }

    @classmethod
    def from_json(cls, data: Fields) -> Quality:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            data.take("metric_name", str),
            Score.from_json(data, "dense"),
            Score.from_json(data, "result"),
            Change.from_json(data),
            Constant.from_json(data),
            data.take("metric_majority", float),
            data.maybe("labels", str) == "none",
        )


@dataclass(frozen=True)
class ControlFound:
    """The same training without the cuts, on the test split.

    Attributes:
        score: of it, points.
        interval: of that, 95 %.
        loss_nats: mean over rows.
        above_dense: it against the dense model.
        result_above: the result against it.
        wall_s: seconds of the run.
    """

    score: float
    interval: Interval
    loss_nats: float
    above_dense: Paired
    result_above: Paired
    wall_s: float = 0.0

    def to_json(self) -> dict[str, float]:
        """The keys of a control."""
        return {
            "metric": self.score,
            "metric_low": self.interval.low,
            "metric_high": self.interval.high,
            "loss_test_nats": self.loss_nats,
            **self.above_dense.to_json("dense_"),
            **self.result_above.to_json("result_"),
            "wall_s": self.wall_s,
        }

    @classmethod
    def from_json(cls, data: Fields) -> ControlFound:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            data.take("metric", float),
            Interval(data.take("metric_low", float), data.take("metric_high", float)),
            data.take("loss_test_nats", float),
            Paired.from_json(data, "dense_"),
            Paired.from_json(data, "result_"),
            data.take("wall_s", float),
        )


@dataclass(frozen=True)
class ControlRecord:
    """What a report says of a control (``axkit/run/control.py``).

    Attributes:
        found: its figures; None where none was run.
        why: in words, why there is none.
        trains: whether a pass behind the dense model trains at all, so that there is a question.
        passes: of the control.
        left_out: passes that train inside, which are not in it.
    """

    found: ControlFound | None = None
    why: str = ""
    trains: bool = True
    passes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            "run": self.found is not None,
            "why": self.why,
            "trains": self.trains,
            "passes": list(self.passes),
            "left_out": list(self.left_out),
            **(self.found.to_json() if self.found else {}),
        }

    @classmethod
    def from_json(cls, data: Fields) -> ControlRecord:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            ControlFound.from_json(data) if data.take("run", bool) else None,
            data.take("why", str),
            data.take("trains", bool),
            data.texts("passes"),
            data.texts("left_out"),
        )
