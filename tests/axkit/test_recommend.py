"""What a report recommends to serve: of what was timed the fastest, and the result where nothing is clearly faster."""

from __future__ import annotations

import pytest
import torch
from records import SUMMARY, report, stage, summary

from axkit.anatomy.family import family_of
from axkit.ground.fields import Fields
from axkit.measure import speed
from axkit.report.text import report_text
from axkit.run import beside
from axkit.run.recommend import Recommendation
from axkit.run.records import StageRecord
from axkit.run.summary import Summary
from axkit.testing import tiny_split, tiny_subject

INT8 = {"stored_as": "int8", "times_float32": 2.0, "times_float32_b1": 2.5, "weights_bytes": 100.0}
HALF = {"stored_as": "bfloat16", "times_float32": 3.0, "times_float32_b1": 2.0, "weights_bytes": 200.0}
WHOLE = {"stored_as": "float32", "times_float32": 1.0, "times_float32_b1": 1.0, "weights_bytes": 400.0}
PRECISIONS = {"precisions": [WHOLE, HALF, INT8]}


def told(found):
    return {(one.precision, one.runtime): (one.throughput_times, one.latency_times) for one in found.options}


def test_other_precisions_are_told_beside_the_result():
    found = Recommendation.of([stage(tables=PRECISIONS)], throughput=6.0, latency=5.0)
    expected = {("int8", "torch"): (6.0, 5.0), ("bfloat16", "torch"): (9.0, 4.0), ("float32", "torch"): (3.0, 2.0)}
    assert told(found) == expected
    assert (found.throughput.precision, found.latency.precision) == ("bfloat16", "int8")
    assert found.latency.is_result
    assert not found.throughput.is_result
    assert found.throughput.weights_bytes == 200.0


@pytest.mark.parametrize(("times", "expected"), [(2.08, "int8"), (2.2, "bfloat16")])
def test_the_result_is_recommended_unless_something_is_clearly_faster(times, expected):
    rows = [WHOLE, HALF | {"times_float32": times, "times_float32_b1": 0.1}, INT8]
    found = Recommendation.of([stage(tables={"precisions": rows})], 6.0, 5.0)
    assert found.throughput.precision == expected
    assert found.latency.precision == "int8"


def test_a_result_in_float32_stands_beside_its_copy_in_bfloat16(monkeypatch):
    """Where no pass has timed one, it is timed at the end."""
    subject, rows = tiny_subject(family_of("bert")), tiny_split(12)
    monkeypatch.setattr(beside, "has_bfloat16", lambda: True)
    monkeypatch.setattr(speed, "relative_speed", lambda *_, rows=32, **__: 3.0 if rows == 32 else 0.5)
    timed = beside.beside_bfloat16(subject, rows)
    assert [(one.stored_as, one.times, one.times_b1) for one in timed] == [
        ("bfloat16", 3.0, 0.5),
        ("float32", 1.0, 1.0),
    ]
    assert timed[0].weights_bytes == timed[1].weights_bytes / 2
    assert {one.dtype for one in subject.module.parameters()} == {torch.float32}
    found = Recommendation.of([stage(**{"pass": "axformer_prune"})], 2.0, 1.5, timed)
    assert told(found) == {("float32", "torch"): (2.0, 1.5), ("bfloat16", "torch"): (6.0, 0.75)}
    assert (found.throughput.precision, found.latency.precision) == ("bfloat16", "float32")
    subject.module.to(torch.bfloat16)
    assert beside.beside_bfloat16(subject, rows) == []
    monkeypatch.setattr(beside, "has_bfloat16", lambda: False)
    assert beside.beside_bfloat16(tiny_subject(family_of("bert")), rows) == []


def test_an_exported_result_stands_beside_what_it_was_made_of():
    made_of = stage(tables=PRECISIONS, throughput_ratio=4.0, latency_b1_ms_p50=2.5)
    last = stage(index=1, **{"pass": "export"}, config={"runtime": "onnxruntime"})
    found = Recommendation.of([made_of, last], 8.0, 12.0)
    assert told(found) == {
        ("export", "onnxruntime"): (8.0, 12.0),
        ("int8", "torch"): (4.0, 2.0),
        ("bfloat16", "torch"): (6.0, 1.6),
        ("float32", "torch"): (2.0, 0.8),
    }
    assert found.throughput == found.latency == found.options[0]


def test_without_a_table_the_stage_before_is_what_is_left_to_choose():
    stages = [stage(**{"pass": "axformer_prune"}, throughput_ratio=3.0), stage(**{"pass": "bf16"})]
    found = Recommendation.of(stages, 7.0, 2.0)
    assert told(found) == {("bf16", "torch"): (7.0, 2.0), ("before bf16", "torch"): (3.0, 1.0)}


def test_nothing_is_recommended_where_nothing_was_timed():
    alone = {key: value for key, value in stage(tables=PRECISIONS).to_json().items() if key != "throughput_ratio"}
    assert Recommendation.of([], 1.0, 1.0) is None
    assert Recommendation.of([StageRecord.from_json(Fields(alone))], 1.0, 1.0) is None
    assert Recommendation.of([stage()], 1.0, 1.0) is None, "one alone is no choice"
    assert Recommendation.of([stage(), stage(undone=True)], 1.0, 1.0) is None
    assert Recommendation.of([stage(tables={"precisions": [{"stored_as": "int8"}]})], 1.0, 1.0) is None


def test_a_table_of_before_tells_batches_alone():
    rows = [{key: value for key, value in row.items() if key != "times_float32_b1"} for row in (WHOLE, HALF, INT8)]
    found = Recommendation.of([stage(tables={"precisions": rows})], 6.0, 5.0)
    assert told(found)["bfloat16", "torch"] == (9.0, None)
    assert found.latency.is_result


def test_a_report_has_it_and_one_of_before_has_none():
    found = Recommendation.of([stage(tables=PRECISIONS)], 6.0, 5.0)
    data = summary().to_json() | {"recommend": found.to_json()}
    again = Summary.from_json(Fields(data))
    assert again.recommend == found
    assert again.to_json()["recommend"]["throughput"]["precision"] == "bfloat16"
    assert "recommend" not in summary().to_json()
    text = report_text(report(summary=SUMMARY | {"recommend": found.to_json()}))
    assert "## Recommended" in text
    assert "for latency int8 in torch (the result) (5.00x as quick as dense on one input)" in text
    assert "for throughput bfloat16 in torch (9.00x dense in batches)" in text
    assert "has not been scored" in text
    assert "## Recommended" not in report_text(report())
