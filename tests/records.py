"""Records for tests: a whole one by the keys of report.json, with those that a test is about in their place."""

from __future__ import annotations

from axkit.anatomy.structure import Structure
from axkit.ground.fields import Fields
from axkit.run.quality import ControlRecord, Quality
from axkit.run.records import StageRecord
from axkit.run.report import Report
from axkit.run.summary import Summary
from axkit.sweep import Outcome, PlannedRun
from axkit.sweep.plan import Written

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


QUALITY = {
    "metric_name": "accuracy",
    "metric_dense": 80.0,
    "metric_dense_low": 77.0,
    "metric_dense_high": 83.0,
    "metric_result": 81.7,
    "metric_result_low": 79.0,
    "metric_result_high": 84.0,
    "p_value_paired": 0.01,
    "loss_test_dense_nats": 0.4,
    "loss_test_result_nats": 0.4,
    "metric_majority": 50.0,
}
SUMMARY = {
    **QUALITY,
    "parameters_dense": 1e6,
    "parameters_result": 1e6,
    **{f"latency_b1_ms_{at}_{one}": 4.0 for at in ("p50", "p90") for one in ("dense", "result")},
    **{f"throughput_b32_per_s_{one}{end}": 6.4 for end in ("", "_low", "_high") for one in ("dense", "result")},
    "metric_search_dense": 80.0,
    "metric_search_result": 80.0,
    "loss_search_dense_nats": 0.4,
    "loss_search_result_nats": 0.4,
    "bytes_dense": 4_000_000,
    "bytes_result": 4_000_000,
    "wall_s": 60.0,
    "wall_this_run_s": 50.0,
    "peak_memory_bytes": 1 << 30,
    "rows": {"train": 4000, "search": 400, "test": 900},
    "rows_truncated": {"train": 0, "search": 0, "test": 0},
    "test_rows_also_in_train_or_search": 0,
    "rows_also_in_another_split": {},
    "label_names": ["0", "1"],
}
"""What the earliest reports have, and every one since."""


def quality(**changes):
    """What two models score on the test split."""
    return Quality.from_json(Fields(QUALITY | changes))


def summary(**changes):
    """The figures of a run; as an earlier axkit wrote them, but for what is given."""
    return Summary.from_json(Fields(SUMMARY | changes))


def changed(found, **changes):
    """A summary with other values under some keys."""
    return Summary.from_json(Fields(found.to_json() | changes))


NONE = {"run": False, "why": "", "trains": True, "passes": [], "left_out": []}
PAIR = {"change": 0.0, "low": -1.0, "high": 1.0, "p": 0.5, "resolution": 1.0}
CONTROL = {
    **NONE,
    "run": True,
    "passes": ["finetune"],
    "metric": 82.0,
    "metric_low": 81.0,
    "metric_high": 83.0,
    "loss_test_nats": 0.4,
    **{f"{whose}_{name}": value for whose in ("dense", "result") for name, value in PAIR.items()},
    "wall_s": 30.0,
}


def control(**changes):
    """A control, by the keys of a report."""
    return ControlRecord.from_json(Fields(CONTROL | changes))


MACHINE = {
    "processor": "a processor",
    "threads": 2,
    "cpu_capability": "AVX2",
    "system": "Linux x86_64",
    "python": "3.11.1",
    "packages": {"axkit": "0", "torch": "0"},
}
REPORT = {
    "format": 1,
    "name": "tiny",
    "key": "k",
    "summary": SUMMARY,
    "stages": [STAGE],
    "recipe": "axkit: 1\n",
    "overrides": [],
    "machine": MACHINE,
    "probe": {"texts": ["a", "b"], "logits": [[0.5, -0.5], [1, 0]]},
}


def report(**changes):
    """A run's report."""
    return Report.from_json(Fields(REPORT | changes))


def outcome(recipe, seed, score, speed, size, model="m", dense_speed=100.0, p=0.001, task="t"):
    """A finished run of a sweep."""
    found = summary(
        metric_dense=90.0,
        metric_result=score,
        p_value_paired=p,
        bytes_dense=100,
        bytes_result=size,
        throughput_b32_per_s_dense=dense_speed,
        throughput_b32_per_s_result=speed,
        latency_b1_ms_p50_dense=2.0,
        latency_b1_ms_p50_result=1.0,
    )
    run = PlannedRun(recipe, task, model, seed, Written("", "", ()), f"{recipe}/{seed}", "", "", ())
    return Outcome(run, "done", report=report(summary=found.to_json()))
