"""What is said of a stage beyond its figures: a line for the terminal, that it was undone, that it gained nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from axkit.ground.figures import quantity, ratio, score
from axkit.run.records import StageRecord, Standing, Told

_LEAST = 1e-3  # share of a loss; less is rounding


@dataclass(frozen=True)
class Before:
    """What a stage is compared with: the stage before it, or the dense model.

    Attributes:
        bytes: on disk.
        score: points on the search split; None where that is not known.
        loss_nats: likewise.
        throughput: in batches, as a multiple of the dense model's timed in turn; 1 where it was not.
        latency: how many times as quick on one input, likewise.
    """

    bytes: int
    score: float | None
    loss_nats: float | None = None
    throughput: float = 1.0
    latency: float = 1.0

    @classmethod
    def of_dense(cls, size: int, search: Standing | None) -> Before:
        """The dense model; its loss is not compared."""
        return cls(size, search.score if search else None)

    @classmethod
    def of(cls, record: StageRecord) -> Before:
        """A stage."""
        beside = record.speed.beside if record.speed else None
        search = record.search
        if record.speed is None or beside is None:
            return cls(record.bytes, search.score, search.loss_nats)
        latency = beside.latency_b1_ms_p50 / record.speed.own.latency_b1_ms_p50
        return cls(record.bytes, search.score, search.loss_nats, beside.throughput_ratio, latency)


def line(record: StageRecord) -> str:
    """A stage in one line, for the terminal."""
    parts = [f"search {score(record.search.score)}", f"{quantity(record.bytes / 1e6, 1)} MB"]
    if record.speed and record.speed.beside:
        parts.append(f"{ratio(record.speed.beside.throughput_ratio)} throughput")
    parts.append(f"{quantity(record.spent.wall_s, 1)} s")
    return ", ".join(parts) + (f". {record.told.note}" if record.told.note else "")


def undone(told: Told, drop: float, allowed: float) -> Told:
    """With the note that the stage went over its budget, in points, and was undone."""
    said = f"Undone: it cost {score(drop)} points on the search split, the budget allows {allowed:g}. {told.note}"
    return replace(told, note=said.strip())


def noted(record: StageRecord, before: Before, trains: bool) -> StageRecord:
    """A record whose pass had nothing to say, with a sentence where it gained nothing."""
    if record.told.note:
        return record
    return replace(record, told=replace(record.told, note=nothing_gained(record, before, trains)))


def nothing_gained(record: StageRecord, before: Before, trains: bool) -> str:
    """One sentence for a stage that made nothing smaller, faster or better; else nothing.

    A stage that lowered what it went by, or the loss on the search split, did make something better: it is told how
    much, and that the metric does not show it.
    """
    now = Before.of(record)
    smaller = now.bytes < 0.995 * before.bytes
    faster = now.throughput > 1.03 * before.throughput or now.latency > 1.03 * before.latency
    if smaller or faster or before.score is None or record.search.score > before.score:
        return ""
    lowered = _lowered(record, before)
    if lowered:
        return f"The search metric did not rise by it; {lowered}."
    return "It did not make the model better." if trains else "It made nothing smaller, faster or better."


def _lowered(record: StageRecord, before: Before) -> str:
    """By how much the stage's own criterion fell, or else the loss on the search split."""
    pairs = (
        ("the loss that it went by", record.told.criterion_nats),
        ("the loss on the search split", (before.loss_nats, record.search.loss_nats)),
    )
    for what, pair in pairs:
        was, now = pair or (None, None)
        if was and now is not None and was - now > _LEAST * was:
            return f"{what} fell by {quantity(100 * (was - now) / was)} %"
    return ""
