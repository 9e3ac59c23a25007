"""The frontier of a family of models: its figures as JSON and Markdown, and a plot, above the run folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from axkit.ground.figures import quantity, ratio, score
from axkit.ground.files import replacing
from axkit.measure.figures import Interval
from axkit.report.plots.canvas import alone, can_draw
from axkit.report.plots.family import family_svg
from axkit.report.tables import table_lines
from axkit.run.each import Point
from axkit.run.report import Report
from axkit.run.verdict import change_cell, speed_cell

FRONTIER = "frontier.json"
FORMAT = 1
_PLOT = "frontier.svg"


@dataclass(frozen=True)
class Member:
    """One model of a family, measured.

    Attributes:
        folder: of its run, below the family's.
        asked: the number that the recipe lists.
        points: of the metric on the test split.
        interval: of them, 95 %.
        change: points above the dense model.
        throughput_ratio: inputs per second in batches, measured in turn with the dense model, as a multiple of its.
        latency_ratio: how many times as quick on one input.
        bytes: on disk.
        bytes_ratio: how many times smaller than the dense model.
        key: of its run.
        shown: change and throughput in words.
    """

    folder: str
    asked: float
    points: float
    interval: Interval
    change: float
    throughput_ratio: float
    latency_ratio: float
    bytes: float
    bytes_ratio: float
    key: str
    shown: tuple[str, str]

    @classmethod
    def of(cls, point: Point, report: Report) -> Member:
        """Of its report."""
        summary = report.summary
        quality, speeds = summary.quality, summary.speeds
        return cls(
            folder=point.label,
            asked=point.value,
            points=quality.result.points,
            interval=quality.result.interval,
            change=quality.moved,
            throughput_ratio=speeds.throughput_ratio,
            latency_ratio=speeds.latency_ratio,
            bytes=summary.bytes.result,
            bytes_ratio=summary.bytes.ratio,
            key=report.key,
            shown=(change_cell(summary), speed_cell(speeds.rounds, "b32", speeds.throughput_ratio)),
        )

    def to_json(self) -> dict[str, Any]:
        """The keys of an entry of frontier.json."""
        found = asdict(self)
        del found["interval"], found["shown"]
        return {**found, "low": self.interval.low, "high": self.interval.high}


def write_family(made: Sequence[tuple[Point, Report]], planned: int, target: Path) -> None:
    """Write ``frontier.json``, ``frontier.md`` and ``frontier.svg`` over the run folders that are finished.

    Args:
        made: the models, in the order of the list; one or more.
        planned: how many there will be.
        target: the folder of the family.

    Raises:
        StorageError: the disk is full or not writable.
    """
    first, members = made[0], [Member.of(point, report) for point, report in made]
    quality, sizes = first[1].summary.quality, first[1].summary.bytes
    found = {
        "format": FORMAT,
        "name": first[0].family,
        "setting": first[0].setting,
        "planned": planned,
        "metric": quality.metric_name,
        "dense": {
            "points": quality.dense.points,
            "low": quality.dense.interval.low,
            "high": quality.dense.interval.high,
            "bytes": sizes.dense,
        },
        "points": [one.to_json() for one in members],
    }
    files = {FRONTIER: json.dumps(found, indent=1, allow_nan=False)}
    if can_draw():
        drawn = family_svg(
            [(one.folder, one.throughput_ratio, one.points, one.interval, one.bytes) for one in members],
            (quality.dense.points, quality.dense.interval),
            quality.metric_name,
        )
        files[_PLOT] = alone(drawn)
    files["frontier.md"] = _text(first, members, planned)
    for name, text in files.items():
        with replacing(target / name) as partial:
            partial.write_text(text, encoding="utf-8")


def _text(first: tuple[Point, Report], members: Sequence[Member], planned: int) -> str:
    quality, sizes = first[1].summary.quality, first[1].summary.bytes
    head = (first[0].setting, f"test {quality.metric_name}", "95 %", "change", "throughput", "latency", "MB", "smaller")
    dense = ("dense", score(quality.dense.points), _between(quality.dense.interval), "", "", "")
    rows = [(*dense, quantity(sizes.dense / 1e6, 1), "")]
    for one in members:
        name = f"[{one.folder}]({one.folder}/report.md)"
        rows.append(
            (
                name,
                score(one.points),
                _between(one.interval),
                *one.shown,
                ratio(one.latency_ratio),
                quantity(one.bytes / 1e6, 1),
                ratio(one.bytes_ratio),
            )
        )
    lines = [f"# {first[0].family}: {len(members)} of {planned} models", "", *table_lines(head, rows), ""]
    if can_draw():
        lines += [f"![frontier]({_PLOT})", ""]
    said = "Each folder is a run of its own: its report has the figures' noise, the machine and what was tried."
    return "\n".join([*lines, said, ""])


def _between(interval: Interval) -> str:
    return f"{score(interval.low)} to {score(interval.high)}"
