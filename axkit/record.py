"""What the report says of one stage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.passes import Result
from axkit.planning import PlannedStep


@dataclass(frozen=True)
class Stage:
    """What one pass did; ``record`` is the JSON of the report."""

    record: dict[str, Any]
    journal: list[dict[str, Any]]


def line(record: Mapping[str, Any]) -> str:
    """A stage in one line, for the terminal."""
    parts = [f"search {record['metric_search']:.2f}", f"{record['bytes'] / 1e6:.1f} MB"]
    if "throughput_ratio" in record:
        parts.append(f"{record['throughput_ratio']:.2f}x throughput")
    parts.append(f"{record['wall_s']:.1f} s")
    return ", ".join(parts) + (f". {record['note']}" if record["note"] else "")


def journal_lines(stages: Sequence[Stage]) -> list[str]:
    """All journals of a run as JSON lines, each with its stage."""
    return [
        json.dumps({"stage": stage.record["index"], "pass": stage.record["pass"], **entry})
        for stage in stages
        for entry in stage.journal
    ]


def stage_record(step: PlannedStep, config: Mapping[str, Any], result: Result, seconds: float) -> dict[str, Any]:
    """What a pass said of itself; what was measured of the model comes on top."""
    return {
        "index": step.index,
        "pass": step.name,
        "source": step.distribution,
        "config": dict(config),
        "undone": False,
        "new_tokenizer": result.tokenizer is not None,
        "reused": False,
        "note": result.note,
        "facts": dict(result.facts),
        "tables": {name: [dict(row) for row in rows] for name, rows in result.tables.items()},
        "wall_s": seconds,
    }


def undo(record: dict[str, Any], drop: float, allowed: float) -> None:
    """Note that a stage went over its budget, in points, and was undone."""
    said = f"Undone: it cost {drop:.2f} points on the search split, the budget allows {allowed:g}. {record['note']}"
    record |= {"undone": True, "new_tokenizer": False, "note": said.strip()}


def nothing_gained(record: Mapping[str, Any], before: Mapping[str, Any], trains: bool) -> str:
    """One sentence for a stage that made nothing smaller, faster or better; else nothing."""
    smaller = record["bytes"] < 0.995 * before["bytes"]
    faster = record.get("throughput_ratio", 1.0) > 1.03 * before.get("throughput_ratio", 1.0)
    metric = before.get("metric_search")
    better = metric is None or record["metric_search"] > metric
    if smaller or faster or better:
        return ""
    return "It did not make the model better." if trains else "It made nothing smaller, faster or better."
