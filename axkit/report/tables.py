"""The tables of a report, as rows of text, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from axkit.ground.figures import change, number, quantity, ratio, score
from axkit.measure.figures import Batch
from axkit.report.plots.canvas import can_draw
from axkit.run.quality import Quality
from axkit.run.records import FRONTIER, StageRecord
from axkit.run.summary import Summary
from axkit.run.verdict import change_cell, speed_cell

MIB = 1e6
MOST_ROWS = 10  # of a table in report.md
Row = tuple[str, str, str, str]


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def summary_rows(summary: Summary) -> list[Row]:
    """(figure, dense, result, ratio or change), as text."""
    quality, sizes, values = summary.quality, summary.bytes, summary.values
    dense, result = summary.speeds.dense, summary.speeds.result
    return [
        (
            f"test {quality.metric_name}, points",
            score(quality.dense.points),
            score(quality.result.points),
            change_cell(summary),
        ),
        *_divergence(quality),
        ("on disk, MB", quantity(sizes.dense / MIB, 1), quantity(sizes.result / MIB, 1), ratio(sizes.ratio)),
        ("values, millions", quantity(values.dense / 1e6, 2), quantity(values.result / 1e6, 2), ratio(values.ratio)),
        _latency(summary, "median", dense.latency_b1_ms_p50, result.latency_b1_ms_p50),
        _latency(summary, "90 %", dense.latency_b1_ms_p90, result.latency_b1_ms_p90),
        (
            f"throughput at batch {summary.spent.where.batch}, inputs/s",
            quantity(dense.throughput_b32_per_s, 0),
            quantity(result.throughput_b32_per_s, 0),
            _speed(summary, "b32", summary.speeds.throughput_ratio),
        ),
    ]


def _divergence(quality: Quality) -> list[Row]:
    """How far the answers are from those that stand in the place of labels."""
    if not quality.unlabelled:
        return []
    dense, result = (f"{one.loss_nats:.4f}" for one in (quality.dense, quality.result))
    return [("test divergence from the dense model's answers, mean", dense, result, "")]


def metric_lines(quality: Quality) -> list[str]:
    """A table of all metrics of the task, and of each class where one tells them; empty where there is but one."""
    rows = metric_rows(quality)
    return ["", *table_lines(("test", "dense", "result", "change", "best constant"), rows)] if rows else []


def metric_rows(quality: Quality) -> list[tuple[str, ...]]:
    """(metric, dense, result, change, best constant) of all metrics, as text; empty where there is but one."""
    dense, result = quality.dense.metrics, quality.result.metrics
    names = [name for name in result if name in dense]
    if len(names) < 2:
        return []
    luck = quality.constant.metrics if quality.constant else {}
    return [
        (
            name,
            score(dense[name]),
            score(result[name]),
            change(result[name] - dense[name]),
            score(luck[name]) if name in luck else "",
        )
        for name in names
    ]


def _latency(summary: Summary, which: str, dense_ms: float, result_ms: float) -> Row:
    name = f"latency at batch 1, ms ({which})"
    return name, quantity(dense_ms, 2), quantity(result_ms, 2), _speed(summary, "b1", dense_ms / result_ms)


def _speed(summary: Summary, batch: Batch, value: float) -> str:
    return speed_cell(summary.speeds.rounds, batch, value)


def stage_rows(stages: Sequence[StageRecord]) -> list[tuple[str, ...]]:
    """(pass, search metric, MB, throughput ratio, seconds, note) of each stage, as text."""
    return [
        (
            stage.applied.name + (" (undone)" if stage.undone else "") + (" (reused)" if stage.reused else ""),
            score(stage.search.score),
            quantity(stage.bytes / MIB, 1),
            ratio(stage.speed.beside.throughput_ratio) if stage.speed and stage.speed.beside else "dense",
            quantity(stage.spent.wall_s, 1),
            stage.told.note,
        )
        for stage in stages
    ]


def stage_tables(stages: Sequence[StageRecord]) -> list[str]:
    """The tables that passes gave, each under a heading."""
    lines: list[str] = []
    for stage in stages:
        for name, rows in stage.told.tables.items():
            if rows:
                keys = columns(rows)
                lines += [f"## {stage.applied.name}: {name}", ""]
                if name == FRONTIER and stage.told.frontier and can_draw():
                    lines += [f"![{FRONTIER}]({frontier_name(stage)})", ""]
                if len(rows) > MOST_ROWS:
                    lines += [f"{len(rows)} rows: in report.html, folded, and in report.json.", ""]
                else:
                    lines += [*table_lines(keys, [cells(row, keys) for row in rows]), ""]
    return lines


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of a table's rows, each once, in order."""
    return list(dict.fromkeys(key for row in rows for key in row))


def cells(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """A row of a table as text; empty where it lacks a key."""
    return [number(row[key]) if isinstance(row.get(key), float) else str(row.get(key, "")) for key in keys]


def frontier_name(stage: StageRecord) -> str:
    """File name of a stage's plot."""
    return f"{FRONTIER}-{stage.applied.index}.svg"
