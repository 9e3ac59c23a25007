"""Records for tests: a whole one by the keys of report.json, with those that a test is about in their place."""

from __future__ import annotations

from axkit.anatomy.structure import Structure
from axkit.ground.fields import Fields
from axkit.run.records import StageRecord

STAGE = {
    "index": 0,
    "pass": "int8",
    "source": "axkit 0",
    "config": {},
    "undone": False,
    "new_tokenizer": False,
    "reused": False,
    "note": "",
    "facts": {},
    "tables": {},
    "wall_s": 1.0,
    "metric_search": 80.0,
    "loss_search_nats": 0.5,
    "parameters": 1000,
    "structure": Structure.dense(2, 4, 24).to_json(),
    "latency_b1_ms_p50": 5.0,
    "latency_b1_ms_p90": 6.0,
    "throughput_b32_per_s": 120.0,
    "throughput_b32_per_s_low": 110.0,
    "throughput_b32_per_s_high": 130.0,
    "latency_b1_ms_p50_dense": 5.0,
    "throughput_b32_per_s_dense": 100.0,
    "throughput_ratio": 1.2,
    "peak_memory_bytes": 1 << 20,
    "bytes": 1000,
}


def stage(**changes):
    """A stage's record."""
    return StageRecord.from_json(Fields(STAGE | changes))
