"""The summary of a run: the final comparison, and what is said of the whole."""

from __future__ import annotations

import time
from typing import Any

from axkit.contract.subject import Subject
from axkit.ground.target import DEFAULT
from axkit.measure import speed as measure
from axkit.run.summary import Compared
from axkit.run.walk import Walk


def summary_of(walk: Walk, subject: Subject, compared: Compared, start: float) -> dict[str, Any]:
    """The figures of the report, by its keys.

    Args:
        walk: gone to its end.
        subject: the result.
        compared: the result beside the dense model.
        start: of the run, by ``time.perf_counter``.
    """
    assert walk.dense is not None, "set before or by the leading passes"
    here = time.perf_counter() - start
    reused = sum(stage.record.spent.wall_s for stage in walk.stages if stage.record.reused)
    dense, last, rows = walk.dense, walk.stages[-1].record, walk.plan.rows
    splits = walk.loaded.readings.by(subject.reader)
    return {
        **compared.figures,
        "dense_is_untrained": not walk.plan.baseline and walk.plan.head is None,
        "dense_stage": dense.stage,
        "dense_is_result": walk.plan.baseline == len(walk.plan.steps),
        "metric_search_dense": dense.search.score,
        "metric_search_result": last.search.score,
        "loss_search_dense_nats": dense.search.loss_nats,
        "loss_search_result_nats": last.search.loss_nats,
        "bytes_dense": dense.bytes,
        "bytes_result": last.bytes,
        "wall_s": here + reused,
        "wall_this_run_s": here,
        "peak_memory_bytes": measure.peak_memory_bytes(),
        **_where(walk),
        "processes": walk.finished.processes.count,
        "rows": {name: len(split) for name, split in splits.items()},
        "rows_truncated": {name: split.at_limit for name, split in splits.items()},
        "test_rows_also_in_train_or_search": rows.overlap,
        "rows_also_in_another_split": {f"{there} in {own}": count for (own, there), count in rows.overlaps.items()},
        "label_names": list(rows.label_names),
    }


def _where(walk: Walk) -> dict[str, Any]:
    """On what it was computed, and for what timed, where that is not the CPU's plain way."""
    target, device = walk.plan.recipe.target, walk.bench.device
    found: dict[str, Any] = {} if target == DEFAULT else {"target": target.model_dump()}
    if not device.is_cpu:
        found |= {"device": device.title, "peak_device_memory_bytes": device.peak_bytes()}
    return found
