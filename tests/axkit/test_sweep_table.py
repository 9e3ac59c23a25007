"""The table of a sweep: means over seeds, the frontier, and changes that chance explains."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape

import pytest
from records import outcome, report

from axkit.ground.errors import AxkitError
from axkit.sweep import Outcome
from axkit.sweep.table import dominated_by, rows_of
from axkit.sweep.text import frontier_lines, sweep_text
from axkit.sweep.whole import finished_runs, line
from axkit.sweep.write import write_sweep


def test_the_frontier_is_of_means():
    outcomes = [
        *(outcome("fast", seed, score, 300.0, 50) for seed, score in ((1, 87.0), (2, 89.0))),
        *(outcome("good", seed, 90.0, 200.0, 50) for seed in (1, 2)),
        *(outcome("poor", seed, 88.5, 150.0, 60) for seed in (1, 2)),
        Outcome(outcome("lost", 1, 0, 0, 1).run, "failed", "why"),
    ]
    rows = {row.recipe: row for row in rows_of(outcomes)}
    fast = rows["fast"].figures.metric_change
    assert (fast.mean, fast.low, fast.high) == (-2.0, -3.0, -1.0)
    assert (rows["lost"].n, rows["lost"].runs, rows["lost"].figures) == (0, 1, None)
    every = list(rows.values())
    beaten = {row.recipe: [one.recipe for one in dominated_by(row, every)] for row in every if row.n}
    assert beaten == {"fast": [], "good": [], "poor": ["good"]}
    text = "\n".join(frontier_lines([row for row in every if row.n]))
    assert "by the means): fast, good." in text
    assert "Behind: poor, by good." in text
    assert "different models" not in text


def test_a_sweep_over_rows_without_labels_says_what_its_scores_are(tmp_path):
    right, one = outcome("fast", 1, 87.0, 300.0, 50), outcome("alike", 1, 97.0, 300.0, 50)
    quality = replace(one.report.summary.quality, metric_name="agreement", unlabelled=True)
    alike = replace(one, report=replace(one.report, summary=replace(one.report.summary, quality=quality)))
    told = "a score is agreement with the run's own dense model"
    for one, is_told in ((alike, True), (right, False)):
        write_sweep([replace(one, at_a_time=2)], tmp_path)
        for name in ("sweep.md", "sweep.html"):
            text = unescape((tmp_path / name).read_text(encoding="utf-8"))
            assert (told in text) == is_told
            assert "Up to 2 runs were going at a time." in text
    assert rows_of([alike])[0].to_json()["unlabelled"]
    assert "unlabelled" not in rows_of([right])[0].to_json()


def test_a_change_that_chance_explains_is_marked_in_every_table(tmp_path):
    outcomes = [outcome("luck", seed, 91.0, 300.0, 50, p=p) for seed, p in ((1, 0.5), (2, 0.01), (3, 0.2))]
    (row,) = rows_of(outcomes)
    assert row.verdicts == ("chance", "gain", "chance")
    text = sweep_text(outcomes, [row], [])
    assert "| +1.00 (chance: 2 of 3) |" in text
    assert text.count("| +1.00 (chance) |") == 2, "each run by itself"
    assert text.count("| +1.00 |") == 1
    assert "accuracy 91.00, +1.00 (chance), 2.00x smaller, 3.00x throughput" in line(outcomes[0])
    worse = rows_of([outcome("poor", 1, 45.0, 300.0, 50), outcome("poor", 2, 50.0, 300.0, 50)])
    assert worse[0].verdicts == ("loss", "loss")


def test_recipes_of_different_models_are_compared_with_the_slowest_dense_one():
    outcomes = [
        outcome("large", 1, 90.0, 300.0, 50, "bert", 100.0),
        outcome("small", 1, 90.0, 400.0, 40, "distilbert", 200.0),
    ]
    large, small = rows_of(outcomes)
    assert (large.speedup, small.speedup) == (3.0, 4.0), "not 3 and 2"
    assert [one.recipe for one in dominated_by(large, [large, small])] == ["small"]
    assert "multiple of the dense bert" in "\n".join(frontier_lines([large, small]))


def test_a_report_that_cannot_be_read_is_refused_and_made_again_by_force(tmp_path):
    run = replace(outcome("a", 1, 90.0, 300.0, 50).run, folder=str(tmp_path), key="k")
    written = report(key="k")
    (tmp_path / "report.json").write_text(json.dumps(written.to_json()))
    assert finished_runs([run], force=False)[run.folder].report == written
    (tmp_path / "report.json").write_text(json.dumps({"format": 1, "name": "of somebody else"}))
    with pytest.raises(AxkitError, match=r"report.json is damaged \(summary\); remove the folder"):
        finished_runs([run], force=False)
    assert finished_runs([run], force=True) == {}
