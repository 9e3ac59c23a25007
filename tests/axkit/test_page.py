"""report.html: it stands alone, says all, and lets no text of a user do anything."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hostile import ANSWERS, FRONTIER, SIDE, whole
from pages import faults
from records import REPORT, STAGE, SUMMARY, report

from axkit.anatomy.structure import Structure
from axkit.ground.fields import Fields
from axkit.report.page import page_of
from axkit.report.plots import canvas
from axkit.run.looked import Looked
from axkit.tasks.about import About


@pytest.fixture(scope="module")
def page():
    return page_of(whole(), About(kind="classification"))


def test_a_page_stands_alone(page):
    assert faults(page) == []


def test_what_users_write_is_shown_and_does_nothing(page):
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "49" not in re.findall(r"&#39;&amp;(.{0,12})", page)[0], "a template in a text is not run"
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8


def test_every_part_is_there(page):
    parts = """Figures|The road|What is left|Answers|Class by class|Calibration|Where the time went|word for word|
        How to use it|axkit predict|axformer_prune: frontier|int8: sensitivity"""
    for part in map(str.strip, parts.split("|")):
        assert part in page, part
    assert page.count("<svg") == 6, "road, frontier, map, reliability, sensitivity, time"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("<p>", "stays open"),
        ("<img src='data:x'>", "an img without alt"),
        ("<a href='https://example.org'>x</a>", "leads to"),
        ("<style>p{background:url(x.png)}</style>", "fetches from outside"),
        ("<input id='lonely'>", "has no label"),
        ("<h1>again</h1>", "not one h1"),
        ("<h5>deep</h5>", "h5 after h"),
        ("<p id='main'></p>", "twice"),
        ("<p aria-labelledby='nobody'></p>", "nothing has the id"),
        ("<p onclick='x()'></p>", "script in an attribute"),
        ("<svg></svg>", "an svg without role"),
        ("x" * 1_000_001, "bytes"),
    ],
)
def test_the_rules_see_what_they_forbid(page, damage, told):
    assert any(told in one for one in faults(page.replace("</main>", f"{damage}</main>")))


def test_a_report_of_an_earlier_axkit_has_a_page():
    page = page_of(report(), About())
    assert faults(page) == []
    assert "Class by class" not in page


def test_without_matplotlib_the_page_says_so(monkeypatch):
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    page = page_of(whole(), About(kind="classification"))
    assert faults(page) == []
    assert "<svg" not in page
    assert "matplotlib is not installed" in page


@pytest.mark.parametrize("kind", ["regression", "question_answering", "image_classification", None])
def test_scores_are_held_against_labels_and_ways_go_by_the_kind(kind):
    answers = Looked.from_json(Fields(ANSWERS | {"numbers": [[1.0, 1.5, 1.25], [2.0, 2.0, 1.0]]}))
    bare = replace(answers, classes=(), there=(), dense=type(answers.dense)(), result=type(answers.dense)())
    page = page_of(replace(report(), answers=bare), About(kind=kind))
    assert faults(page) == []
    assert "Answers over labels" in page
    assert "Calibration" not in page
    assert ("AutoImageProcessor" in page) == (kind == "image_classification")
    assert ("Who told it?" in page) == (kind == "question_answering")


def test_answers_are_read_back_as_they_were_written():
    found = Looked.from_json(Fields(ANSWERS))
    assert Looked.from_json(Fields(json.loads(json.dumps(found.to_json())))) == found
    assert found.dense.calibration_error == pytest.approx((4 * 0.05 + 16 * 0.07) / 20)
    assert "answers" not in report().to_json(), "a report without is written without"
    assert REPORT.keys() <= whole().to_json().keys()


def test_a_deep_model_with_many_classes_and_long_tables_stays_below_a_megabyte():
    deep = Structure.dense(48, 32, 8192).without_neurons(3, range(4000)).without_heads(2, [1, 5])
    layers = [{"layer": f"encoder.layer.{at}.attention.self.query", "moves_nats": 0.5} for at in range(700)]
    stages = [
        STAGE | {"index": at, "structure": deep.to_json(), "tables": {"frontier": FRONTIER * 60, "sensitivity": layers}}
        for at in range(6)
    ]
    side = SIDE | {"scores": [[80.0, 80.0, 80.0]] * 150, "confusion": []}
    many = {"classes": [f"intent {at}" for at in range(150)], "there": [3] * 150, "dense": side, "result": side}
    moved = [ANSWERS["moved"][0] | {"row": at, "text": "word " * 64, "wanted": f"{at % 40}"} for at in range(200)]
    page = page_of(whole(stages=stages, answers=ANSWERS | many | {"moved": moved}), About(kind="classification"))
    assert faults(page) == []
    assert "The first 100 rows; report.json has all." in page
    assert page.count("moves_nats") == 6


def test_what_to_serve_and_words_that_are_one():
    options = [
        {"precision": "int8", "runtime": "torch", "throughput_times": 1.5, "latency_times": 1.2, "is_result": True},
        {"precision": "bfloat16", "runtime": "torch", "throughput_times": 2.5, "weights_bytes": 3e6},
    ]
    summary = SUMMARY | {"recommend": {"latency": options[0], "throughput": options[1], "options": options}}
    page = page_of(whole(summary=summary, answers=ANSWERS | {"words": ["another answer"] * 3}), About())
    assert faults(page) == []
    assert "What to serve on this machine" in page
    assert "int8 in torch, the result" in page
    assert "3 another answer." in page
    assert page.count("<option>another answer</option>") == 1
