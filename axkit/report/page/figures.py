"""The figures of the page: cards to be seen first, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axkit.ground.figures import change, quantity, ratio, score
from axkit.report.tables import metric_rows, summary_rows
from axkit.run.quality import Quality
from axkit.run.recommend import Recommendation
from axkit.run.summary import Summary
from axkit.run.verdict import change_cell, speed_cell


@dataclass(frozen=True)
class Card:
    """A figure to be seen first.

    Attributes:
        figure: as text.
        what: it is.
        more: from what to what.
    """

    figure: str
    what: str
    more: str


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        caption: what it is of.
        head: of the columns; the first names the rows.
        rows: as text.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[Sequence[str], ...]


def cards(summary: Summary) -> tuple[Card, ...]:
    """Speed, size and score of the result against the dense model."""
    quality, sizes, speeds = summary.quality, summary.bytes, summary.speeds
    interval = quality.change.interval
    told = f"95 % interval {change(interval.low)} to {change(interval.high)}; " if interval else ""
    return (
        Card(
            speed_cell(speeds.rounds, "b32", speeds.throughput_ratio),
            "throughput in batches",
            f"{quantity(speeds.dense.throughput_b32_per_s)} to {quantity(speeds.result.throughput_b32_per_s)} inputs/s",
        ),
        Card(
            speed_cell(speeds.rounds, "b1", speeds.latency_ratio),
            "as quick on one input",
            f"{quantity(speeds.dense.latency_b1_ms_p50, 1)} to {quantity(speeds.result.latency_b1_ms_p50, 1)} ms",
        ),
        Card(
            ratio(sizes.ratio),
            "smaller on disk" if sizes.ratio >= 1 else "of the dense model's size, turned round",
            f"{quantity(sizes.dense / 1e6, 1)} to {quantity(sizes.result / 1e6, 1)} MB",
        ),
        Card(
            change_cell(summary),
            f"points of test {quality.metric_name}",
            f"{told}{score(quality.dense.points)} to {score(quality.result.points)}",
        ),
    )


def compared(summary: Summary) -> Grid:
    """The final comparison."""
    return Grid("Dense model and result", ("figure", "dense", "result", "change"), tuple(summary_rows(summary)))


def options(found: Recommendation) -> Grid:
    """Ways to serve the model that were timed."""
    rows = [
        (
            f"{one.precision} in {one.runtime}{', the result' if one.is_result else ''}",
            ratio(one.throughput_times),
            "" if one.latency_times is None else ratio(one.latency_times),
            "" if one.weights_bytes is None else quantity(one.weights_bytes / 1e6, 1),
        )
        for one in found.options
    ]
    head = ("stored as", "throughput, times dense", "as quick on one input", "weights, MB")
    return Grid("Ways to serve it that were timed", head, tuple(rows))


def metrics(quality: Quality) -> Grid | None:
    """All metrics of the task; None where there is but one."""
    rows = metric_rows(quality)
    head = ("test", "dense", "result", "change", "best constant")
    return Grid("All metrics on the test split, points", head, tuple(rows)) if rows else None
