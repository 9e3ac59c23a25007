"""Records of a run are types: what they write they read, in the same order of keys, and damage is one sentence."""

from __future__ import annotations

import json

import pytest
from records import CONTROL, MACHINE, NONE, REPORT, STAGE, SUMMARY, report, stage, summary

from axkit.axformer.budget.lines import read_line
from axkit.ground.errors import CheckpointError
from axkit.ground.fields import Fields
from axkit.run.journal import JournalLine
from axkit.run.records import StageRecord
from axkit.run.report import Report, read_report
from axkit.run.stage_file import StageFile
from axkit.run.summary import Summary
from axkit.tasks.about import About

TESTED = {"metric_change_low": 0.4, "metric_change_high": 3.0, "metric_resolution": 1.3, "p_value_paired": 0.01}
CONSTANT = {"metric_constant": 50.5, "metric_constant_answer": "'0'", "metrics_constant": {"accuracy": 50.5}}
WHOLE = SUMMARY | {
    **TESTED,
    **CONSTANT,
    "p_value_constant": 0.001,
    "metrics_dense": {"accuracy": 80.0},
    "metrics_result": {"accuracy": 81.7},
    "dense_answers_only": "",
    "result_answers_only": "",
    "rounds": 9,
    "rounds_ahead_b1": 3,
    "rounds_ahead_b32": 9,
    "dense_is_untrained": False,
    "dense_stage": "0-finetune-k-m",
    "dense_is_result": False,
    **{f"host_{name}_{one}": 0.5 for one in ("dense", "result") for name in ("b1_ms_p50", "b1_share", "b32_share")},
    "target": {"device": "cuda", "dtype": "float16", "batch": 8, "runtime": "torch"},
    "device": "a GPU",
    "peak_device_memory_bytes": 1 << 20,
    "processes": 2,
    "rows_also_in_another_split": {"test in train": 2},
    "control": CONTROL,
}
STAGES = {
    "beside the dense model": STAGE,
    "alone": {key: value for key, value in STAGE.items() if not key.endswith(("_dense", "_ratio"))},
    "on a device": STAGE | {"peak_device_memory_bytes": 1 << 20},
    "told": STAGE | {"note": "a word", "facts": {"a_s": 1, "b": 0.5}, "tables": {"t": [{"x": 1}, {"x": "y"}]}},
}


@pytest.mark.parametrize("data", STAGES.values(), ids=STAGES)
def test_a_stage_is_read_as_it_is_written(data):
    found = StageRecord.from_json(Fields(data)).to_json()
    assert found == data
    assert StageRecord.from_json(Fields(found)).to_json() == found


@pytest.mark.parametrize("control", [CONTROL, NONE | {"why": "no pass trains", "trains": False}])
def test_a_summary_is_read_as_it_is_written(control):
    data = WHOLE | {"control": control}
    found = Summary.from_json(Fields(data)).to_json()
    assert found == data
    assert Summary.from_json(Fields(found)).to_json() == found


def test_the_keys_stand_in_the_order_that_they_always_had():
    speeds = ["latency_b1_ms_p50", "latency_b1_ms_p90", "throughput_b32_per_s"]
    keys = list(Summary.from_json(Fields(WHOLE)).to_json())
    assert keys[:10] == [
        "metric_name",
        *(f"metric_{one}{end}" for one in ("dense", "result") for end in ("", "_low", "_high")),
        "metric_change_low",
        "metric_change_high",
        "metric_resolution",
    ]
    first = keys.index("parameters_dense")
    timed = [f"{name}_dense" for name in speeds] + [f"throughput_b32_per_s_dense_{end}" for end in ("low", "high")]
    assert keys[first : first + 7] == ["parameters_dense", "parameters_result", *timed]
    assert keys[-8:] == [
        "peak_device_memory_bytes",
        "processes",
        "rows",
        "rows_truncated",
        "test_rows_also_in_train_or_search",
        "rows_also_in_another_split",
        "label_names",
        "control",
    ]
    assert list(stage().to_json()) == list(STAGE)
    assert list(report().to_json()) == list(REPORT)
    assert list(report().to_json()["machine"]) == list(MACHINE)


def test_a_summary_of_an_earlier_axkit_is_read():
    found = summary()
    assert (found.control, found.speeds.rounds, found.quality.constant, found.quality.change.interval) == (None,) * 4
    again = found.to_json()
    assert not {"control", "rounds", "metric_constant", "metric_change_low"} & again.keys(), "what it never said"
    assert Summary.from_json(Fields(again)).to_json() == again


@pytest.mark.parametrize("probe", [REPORT["probe"], {"pixels_from_-1_to_1": [1, 3, 2, 2], "logits": [[0.5]]}])
def test_a_report_is_read_as_it_is_written(tmp_path, probe):
    made = report(summary=WHOLE, probe=probe)
    (tmp_path / "report.json").write_text(json.dumps(made.to_json(), indent=1))
    assert read_report(tmp_path) == made
    assert read_report(tmp_path).to_json() == REPORT | {"summary": WHOLE, "probe": probe}


@pytest.mark.parametrize("record", [None, stage()], ids=["the model as it came", "a stage"])
def test_a_stage_file_is_read_as_it_is_written(tmp_path, record):
    size = 0 if record is None else record.bytes
    written = StageFile(record, size, "m" * 64, "").to_json()
    assert StageFile.from_json(json.loads(json.dumps(written)), tmp_path).to_json() == written
    written["record"]["bytes"] = size + 1
    with pytest.raises(CheckpointError, match="is not as it was written"):
        StageFile.from_json(written, tmp_path)


def test_a_line_of_a_journal_is_read_as_it_is_written():
    data = {"stage": 2, "pass": "axformer_prune", "element": "ffn/0", "accepted": True}
    assert JournalLine.from_json(data).to_json() == data
    with pytest.raises(CheckpointError, match=r"the journal's line is damaged \(stage\)"):
        JournalLine.from_json({"pass": "int8"})


DAMAGE = {
    "summary: metric_dense": {"summary": WHOLE | {"metric_dense": "80"}},
    "summary: wall_s": {"summary": {key: value for key, value in WHOLE.items() if key != "wall_s"}},
    "summary: device": {"summary": WHOLE | {"device": 0}},
    "summary: control": {"summary": WHOLE | {"control": None}},
    "summary: control: run": {"summary": WHOLE | {"control": {}}},
    "summary: rows: test": {"summary": WHOLE | {"rows": {"train": 1, "search": 1, "test": True}}},
    "summary: label_names": {"summary": WHOLE | {"label_names": [1]}},
    "summary": {"summary": []},
    "stages 1: reused": {"stages": [STAGE | {"reused": 1}]},
    "stages 2": {"stages": [STAGE, 3]},
    "machine: threads": {"machine": MACHINE | {"threads": 2.5}},
}


@pytest.mark.parametrize("where", DAMAGE)
def test_damage_is_one_sentence_that_names_the_place(where):
    with pytest.raises(CheckpointError) as raised:
        Report.from_json(Fields(REPORT | DAMAGE[where], "report.json"))
    said, place = str(raised.value), where.replace("stages 2", "stages 2: no object")
    *path, last = place.split(": ")
    assert said == f"{': '.join(['report.json', *path])} is damaged ({last})"


def test_a_report_of_a_newer_axkit_is_refused():
    with pytest.raises(CheckpointError, match="upgrade axkit"):
        report(format=2)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"task": {"kind": "regression"}, "samples": {}, "label_names": []},
        {
            "recipe": "tiny",
            "task": "glue/sst2",
            "kind": "classification",
            "samples": {"train": 100},
            "label_names": ["a", "b"],
            "token_lengths": [5, 9],
        },
    ],
    ids=["nothing", "a part", "all"],
)
def test_what_a_folder_says_of_its_task_is_read_as_it_is_written(data):
    found = About.from_json(data, "axkit.json")
    assert found.to_json() == data
    assert list(found.to_json()) == list(data), "in the same order"
    assert About.from_json(data | {"of_a_later_axkit": 1}, "axkit.json") == found


LINES = [
    {"shape": "whole 1", "ratio": 0.5},
    {"at": "1.0:ffn/0", "element": "ffn/0", "loss": 0.5, "seen": 20, "samples": 20, "seconds": 0.01},
    {"element": "ffn/0", "accepted": True, "loss": 0.5, "speedup": 1.25, "size": 1.1},
]


@pytest.mark.parametrize("data", LINES, ids=["timed", "looked", "took"])
def test_a_line_of_a_budget_search_is_read_as_it_is_written(data):
    assert list(read_line(data).to_json().items()) == list(data.items())
    with pytest.raises(CheckpointError, match="the journal's line is damaged"):
        read_line({name: value for name, value in data.items() if name not in ("ratio", "loss")})
