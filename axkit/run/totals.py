"""The summary of a run: the final comparison, and what is said of the whole."""

from __future__ import annotations

import time
from collections.abc import Sequence

from axkit.contract.subject import Subject
from axkit.ground.target import DEFAULT
from axkit.measure import speed as measure
from axkit.run.beside import beside_bfloat16
from axkit.run.comparing import Compared
from axkit.run.quality import ControlFound, ControlRecord
from axkit.run.recommend import Recommendation
from axkit.run.records import StageRecord, StoredAs
from axkit.run.row_counts import PerSplit, RowCounts
from axkit.run.spent import RunSpent, Where
from axkit.run.summary import Baseline, Both, Searched, Summary
from axkit.run.walk import Walk


def summary_of(
    walk: Walk,
    subject: Subject,
    compared: Compared,
    start: float,
    control: ControlRecord,
    came: ControlFound | None = None,
) -> Summary:
    """The figures of the report.

    Args:
        walk: gone to its end.
        subject: the result.
        compared: the result beside the dense model.
        start: of the run, by ``time.perf_counter``.
        control: what is said of it.
        came: the model as it came, where it was ready and the recipe trained it first.
    """
    assert walk.dense is not None, "set before or by the leading passes"
    dense, last = walk.dense, walk.stages[-1].record
    behind = [stage.record for stage in walk.stages[walk.plan.baseline :]]
    return Summary(
        quality=compared.quality,
        values=compared.values,
        speeds=compared.speeds,
        baseline=Baseline(
            is_untrained=not walk.plan.baseline and walk.plan.head is None,
            stage=dense.stage,
            is_result=walk.plan.baseline == len(walk.plan.steps),
        ),
        searched=Searched(dense.search, last.search),
        bytes=Both(dense.bytes, last.bytes),
        spent=_spent(walk, time.perf_counter() - start),
        rows=_rows(walk, subject),
        label_names=tuple(walk.plan.rows.label_names),
        control=control,
        recommend=Recommendation.of(
            behind,
            compared.speeds.throughput_ratio,
            compared.speeds.latency_ratio,
            _beside(walk, subject, behind),
        ),
        came=came,
    )


def _beside(walk: Walk, subject: Subject, behind: Sequence[StageRecord]) -> list[StoredAs]:
    """The result in another precision, where it is served by a CPU, and its last pass has not timed that."""
    last = next((one for one in reversed(behind) if not one.undone), None)
    on_cpu = walk.plan.recipe.target.device == DEFAULT.device
    if last is None or last.told.precisions or not on_cpu:
        return []
    return beside_bfloat16(subject, walk.readings.by(subject.reader)["search"])


def _rows(walk: Walk, subject: Subject) -> RowCounts:
    splits, rows = walk.readings.by(subject.reader), walk.plan.rows
    return RowCounts(
        used=PerSplit(**{name: len(split) for name, split in splits.items()}),
        truncated=PerSplit(**{name: split.at_limit for name, split in splits.items()}),
        test_in_others=rows.overlap,
        doubles={f"{there} in {own}": count for (own, there), count in rows.overlaps.items()},
    )


def _spent(walk: Walk, here_s: float) -> RunSpent:
    return RunSpent(
        wall_s=here_s + sum(stage.record.spent.wall_s for stage in walk.stages if stage.record.reused),
        wall_this_run_s=here_s,
        peak_memory_bytes=measure.peak_memory_bytes(),
        processes=walk.finished.processes.count,
        where=_where(walk),
    )


def _where(walk: Walk) -> Where:
    """On what it was computed, and for what timed, where that is not the CPU's plain way."""
    device = walk.bench.device
    target = None if walk.plan.recipe.target == DEFAULT else walk.plan.recipe.target
    return Where(target) if device.is_cpu else Where(target, device.title, device.peak_bytes())
