"""Figures of a sweep: means and spreads over seeds, and which recipes are on the frontier. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from axkit.measure.figures import leads
from axkit.run.summary import Summary
from axkit.run.verdict import Kind, judge
from axkit.sweep.run import Outcome

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """A figure over the seeds.

    Attributes:
        mean: of the finished runs.
        low: the least of them.
        high: the largest.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Of one value or more."""
        return cls(sum(values) / len(values), min(values), max(values))

    def to_json(self) -> dict[str, float]:
        """As plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Figures(Generic[T]):
    """The figures of one run, or of several seeds; ratios are above 1 where the result is better.

    Attributes:
        metric_dense: points.
        metric_result: points.
        metric_change: points.
        bytes_dense: on disk.
        bytes_result: on disk.
        bytes_ratio: how many times smaller.
        throughput_b32_per_s_dense: inputs per second in batches.
        throughput_b32_ratio: how many times that of the dense model.
        latency_b1_ratio: how many times as quick on one input.
    """

    metric_dense: T
    metric_result: T
    metric_change: T
    bytes_dense: T
    bytes_result: T
    bytes_ratio: T
    throughput_b32_per_s_dense: T
    throughput_b32_ratio: T
    latency_b1_ratio: T


@dataclass(frozen=True)
class Row:
    """A recipe on a task.

    Attributes:
        task: short name.
        recipe: name.
        model: that it starts from.
        metric_name: of the task.
        n: finished runs.
        runs: planned ones.
        figures: over its finished runs; None where none did.
        speedup: throughput of the result as a multiple of the task's reference (see ``rows_of``).
        verdicts: of the finished runs, each by itself (see ``axkit.run.verdict``).
        unlabelled: the task's rows have no labels.
    """

    task: str
    recipe: str
    model: str
    metric_name: str
    n: int
    runs: int
    figures: Figures[Figure] | None
    speedup: float = 0.0
    verdicts: tuple[Kind, ...] = ()
    unlabelled: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain values; without ``unlabelled`` where rows have labels."""
        figures = {name: figure.to_json() for name, figure in vars(self.figures).items()} if self.figures else {}
        told = {name: value for name, value in vars(self).items() if name != "unlabelled" or value}
        return {**told, "figures": figures}


@dataclass(frozen=True)
class Done:
    """A row that has finished runs.

    Attributes:
        row: of the table.
        figures: over its finished runs.
    """

    row: Row
    figures: Figures[Figure]

    @property
    def merits(self) -> tuple[float, float, float]:
        """Metric, speed-up and bytes, each the larger the better."""
        return self.figures.metric_result.mean, self.row.speedup, -self.figures.bytes_result.mean


def finished(rows: Sequence[Row]) -> list[Done]:
    """Those rows that have something to show."""
    return [Done(row, row.figures) for row in rows if row.figures is not None]


def figures_of(summary: Summary) -> Figures[float]:
    """The figures of one run."""
    quality, sizes = summary.quality, summary.bytes
    return Figures(
        metric_dense=quality.dense.points,
        metric_result=quality.result.points,
        metric_change=quality.moved,
        bytes_dense=sizes.dense,
        bytes_result=sizes.result,
        bytes_ratio=sizes.ratio,
        throughput_b32_per_s_dense=summary.speeds.dense.throughput_b32_per_s,
        throughput_b32_ratio=summary.speeds.throughput_ratio,
        latency_b1_ratio=summary.speeds.latency_ratio,
    )


def over_seeds(each: Sequence[Figures[float]]) -> Figures[Figure] | None:
    """Means and spreads of several runs; None of none."""
    return Figures(*map(Figure.of, zip(*(vars(one).values() for one in each), strict=True))) if each else None


def rows_of(outcomes: Sequence[Outcome]) -> list[Row]:
    """One row per task and recipe, in the order of the runs.

    ``speedup`` is the mean ratio to the run's own dense model, timed in turn with it. Where the recipes of a task start
    from different models, it is multiplied by their dense models' mean throughput over that of the slowest.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.run.task, outcome.run.recipe), []).append(outcome)
    rows = [_row(task, recipe, group) for (task, recipe), group in groups.items()]
    return [_with_speedup(row, [other for other in rows if other.task == row.task and other.n]) for row in rows]


def _row(task: str, recipe: str, group: Sequence[Outcome]) -> Row:
    summaries = [outcome.report.summary for outcome in group if outcome.report is not None]
    figures = over_seeds([figures_of(summary) for summary in summaries])
    metric = summaries[0].quality.metric_name if summaries else ""
    verdicts = tuple(judge(summary.quality, summary.baseline) for summary in summaries)
    unlabelled = any(summary.quality.unlabelled for summary in summaries)
    model, runs = group[0].run.model, len(group)
    return Row(task, recipe, model, metric, len(summaries), runs, figures, 0.0, verdicts, unlabelled)


def _with_speedup(row: Row, rivals: Sequence[Row]) -> Row:
    if row.figures is None:
        return row
    dense: dict[str, list[float]] = {}
    for rival in finished(rivals):
        dense.setdefault(rival.row.model, []).append(rival.figures.throughput_b32_per_s_dense.mean)
    means = {model: sum(values) / len(values) for model, values in dense.items()}
    return replace(row, speedup=row.figures.throughput_b32_ratio.mean * means[row.model] / min(means.values()))


def reference(rows: Sequence[Row]) -> Done:
    """The row whose dense model is 1x in ``speedup``; of the finished rows of one task."""
    return min(finished(rows), key=lambda one: one.row.speedup / one.figures.throughput_b32_ratio.mean)


def dominated_by(row: Row, rows: Sequence[Row]) -> list[Row]:
    """Rows of the same task that are no worse in metric, speed-up and bytes, and better in one; by their means."""
    own = next((one.merits for one in finished([row])), None)
    if own is None:
        return []
    rivals = [one for one in finished(rows) if one.row.task == row.task and one.row is not row]
    return [one.row for one in rivals if leads(one.merits, own)]
