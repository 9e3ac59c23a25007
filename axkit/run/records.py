"""What the report says of one stage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axkit.contract.result import Result
from axkit.ground.figures import quantity, ratio, score
from axkit.run.steps import PlannedStep

_LEAST = 1e-3  # share of a loss; less is rounding


@dataclass(frozen=True)
class Stage:
    """What one pass did; ``record`` is the JSON of the report."""

    record: dict[str, Any]
    journal: list[dict[str, Any]]


def line(record: Mapping[str, Any]) -> str:
    """A stage in one line, for the terminal."""
    parts = [f"search {score(record['metric_search'])}", f"{quantity(record['bytes'] / 1e6, 1)} MB"]
    if "throughput_ratio" in record:
        parts.append(f"{ratio(record['throughput_ratio'])} throughput")
    parts.append(f"{quantity(record['wall_s'], 1)} s")
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
    said = f"Undone: it cost {score(drop)} points on the search split, the budget allows {allowed:g}. {record['note']}"
    record |= {"undone": True, "new_tokenizer": False, "note": said.strip()}


def nothing_gained(record: Mapping[str, Any], before: Mapping[str, Any], trains: bool) -> str:
    """One sentence for a stage that made nothing smaller, faster or better; else nothing.

    A stage that lowered what it went by, or the loss on the search split, did make something better: it is told how
    much, and that the metric does not show it.
    """
    smaller = record["bytes"] < 0.995 * before["bytes"]
    faster = any(_speed(record, key) > 1.03 * _speed(before, key) for key in ("throughput", "latency"))
    metric = before.get("metric_search")
    if smaller or faster or metric is None or record["metric_search"] > metric:
        return ""
    lowered = _lowered(record, before)
    if lowered:
        return f"The search metric did not rise by it; {lowered}."
    return "It did not make the model better." if trains else "It made nothing smaller, faster or better."


def _speed(record: Mapping[str, Any], which: str) -> float:
    """As a multiple of the dense model's, timed in turn; 1 where it was not."""
    if which == "throughput":
        return float(record.get("throughput_ratio", 1.0))
    dense = record.get("latency_b1_ms_p50_dense")
    return float(dense / record["latency_b1_ms_p50"]) if dense else 1.0


def _lowered(record: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """By how much the stage's own criterion fell, or else the loss on the search split."""
    facts = record["facts"]
    pairs = (
        ("the loss that it went by", facts.get("search_loss_before_nats"), facts.get("search_loss_after_nats")),
        ("the loss on the search split", before.get("loss_search_nats"), record["loss_search_nats"]),
    )
    for what, was, now in pairs:
        if was and now is not None and was - now > _LEAST * was:
            return f"{what} fell by {quantity(100 * (was - now) / was)} %"
    return ""
