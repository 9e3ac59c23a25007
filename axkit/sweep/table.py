"""Figures of a sweep: means and spreads over seeds, and which recipes are on the frontier. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.run.verdict import Kind, judge
from axkit.sweep.run import Outcome


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
class Row:
    """A recipe on a task.

    Attributes:
        task: short name.
        recipe: name.
        model: that it starts from.
        metric_name: of the task.
        n: finished runs.
        runs: planned ones.
        figures: by name, see :func:`figures_of`; empty where no run finished.
        speedup: throughput of the result as a multiple of the task's reference (see :func:`rows_of`).
        verdicts: of the finished runs, each by itself (see ``axkit.run.verdict``).
    """

    task: str
    recipe: str
    model: str
    metric_name: str
    n: int
    runs: int
    figures: Mapping[str, Figure]
    speedup: float = 0.0
    verdicts: tuple[Kind, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        return {**vars(self), "figures": figures}


def figures_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one run: points, bytes, inputs/s, and ratios that are above 1 where the result is better."""
    return {
        "metric_dense": summary["metric_dense"],
        "metric_result": summary["metric_result"],
        "metric_change": summary["metric_result"] - summary["metric_dense"],
        "bytes_dense": summary["bytes_dense"],
        "bytes_result": summary["bytes_result"],
        "bytes_ratio": summary["bytes_dense"] / summary["bytes_result"],
        "throughput_b32_per_s_dense": summary["throughput_b32_per_s_dense"],
        "throughput_b32_ratio": summary["throughput_b32_per_s_result"] / summary["throughput_b32_per_s_dense"],
        "latency_b1_ratio": summary["latency_b1_ms_p50_dense"] / summary["latency_b1_ms_p50_result"],
    }


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
    summaries = [outcome.report["summary"] for outcome in group if outcome.report is not None]
    each = [figures_of(summary) for summary in summaries]
    figures = {name: Figure.of([one[name] for one in each]) for name in (each[0] if each else ())}
    metric = summaries[0]["metric_name"] if summaries else ""
    verdicts = tuple(judge(summary) for summary in summaries)
    return Row(task, recipe, group[0].run.model, metric, len(summaries), len(group), figures, verdicts=verdicts)


def _with_speedup(row: Row, rivals: Sequence[Row]) -> Row:
    if not row.n:
        return row
    dense: dict[str, list[float]] = {}
    for rival in rivals:
        dense.setdefault(rival.model, []).append(rival.figures["throughput_b32_per_s_dense"].mean)
    means = {model: sum(values) / len(values) for model, values in dense.items()}
    scale = means[row.model] / min(means.values())
    return Row(**{**vars(row), "speedup": row.figures["throughput_b32_ratio"].mean * scale})


def reference(rows: Sequence[Row]) -> Row:
    """The row whose dense model is 1x in ``speedup``; of the finished rows of one task."""
    return min(rows, key=lambda row: row.speedup / row.figures["throughput_b32_ratio"].mean)


def dominated_by(row: Row, rows: Sequence[Row]) -> list[Row]:
    """Rows of the same task that are no worse in metric, speed-up and bytes, and better in one; by their means."""

    def merits(one: Row) -> tuple[float, float, float]:
        return one.figures["metric_result"].mean, one.speedup, -one.figures["bytes_result"].mean

    own = merits(row)
    rivals = [one for one in rows if one.task == row.task and one.n and one is not row]
    return [one for one in rivals if all(a >= b for a, b in zip(merits(one), own, strict=True)) and merits(one) != own]
