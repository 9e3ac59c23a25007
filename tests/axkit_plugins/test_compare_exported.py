"""axkit compare of folders that no run wrote: measured now, beside a dense model, on the rows of their own task."""

from __future__ import annotations

import json
import shutil

import pytest
from command import refused
from exporting import workplace

from axkit.finished.score import answered, evaluate

RECIPE = """\
axkit: 1
name: tiny
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, %s}
passes:
  - {pass: drop_layers, drop: [1]}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    return workplace(tmp_path, monkeypatch, RECIPE % "label: label")


@pytest.fixture
def exported(place, run):
    """A run, and two folders that were exported from it."""
    assert run("apply", "recipe.yaml", "--out", "out")[0] == 0
    assert run("export", "out/tiny", "--out", "graph", "--runtime", "onnxruntime")[0] == 0
    assert run("export", "out/tiny", "--out", "packed", "--runtime", "torch-packed")[0] == 0
    return place


def test_beside_the_run_that_it_was_exported_from(exported, run):
    code, out, said = run("compare", "out/tiny", "graph", "packed", "--json")
    assert code == 0, said
    of_run, *others = json.loads(out)
    assert "measured_beside" not in of_run
    for one, folder in zip(others, ("graph", "packed"), strict=True):
        found = one["summary"]
        assert one["run"] == folder
        assert one["passes"] == "drop_layers, export"
        assert one["measured_beside"].startswith("out/.stages/tiny/")
        assert found["metric_result"] == evaluate(folder).score
        for figure in ("metric_name", "metric_dense", "metric_majority", "parameters_dense", "bytes_dense"):
            assert found[figure] == of_run["summary"][figure], figure
        assert found["throughput_b32_per_s_result"] > 0
    assert run("compare", "out/tiny", "graph", "--html", "side.html")[0] == 0
    assert "Without a report, and measured now, beside out/.stages" in (exported / "side.html").read_text("utf-8")


def test_a_dense_model_answers_once_for_all(exported, run, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "axkit.run.measured.answered", lambda folder, rows: asked.append(folder.name) or answered(folder, rows)
    )
    code, out, said = run("compare", "out/tiny", "graph", "packed", "--json")
    assert code == 0, said
    dense, *others = asked
    assert "dense" in dense
    assert others == ["graph", "packed"]
    assert [one["summary"]["metric_result"] for one in json.loads(out)[1:]] == [
        evaluate(folder).score for folder in others
    ]


def test_beside_whom_it_is_told(exported, run):
    (dense,) = (exported / "out" / ".stages" / "tiny").glob("*dense*")
    dense = shutil.copytree(dense, exported / "dense")
    code, out, said = run("compare", "graph", "--against", str(dense), "--json")
    assert code == 0, said
    (one,) = json.loads(out)
    assert one["measured_beside"] == str(dense)
    assert one["summary"]["metric_dense"] == evaluate(dense, split="test").score
    shutil.rmtree(exported / "out" / ".stages")
    refused(run("compare", "out/tiny", "graph"), "graph is no run", "--against")
    refused(run("compare", "graph", "--against", "nowhere"), "nowhere")


def test_a_checkpoint_that_knows_no_task_is_refused(exported, run):
    refused(run("compare", "model", "--against", "model"), "model says nothing of a task", "axkit eval model --task")


def test_rows_without_labels(place, run):
    (place / "recipe.yaml").write_text(RECIPE % "labels: none", "utf-8")
    code, _, said = run("apply", "recipe.yaml", "--out", "out")
    assert code == 0, said
    assert run("export", "out/tiny", "--out", "graph", "--runtime", "onnxruntime")[0] == 0
    code, out, said = run("compare", "out/tiny", "graph", "--json")
    assert code == 0, said
    of_run, one = json.loads(out)
    for figure in ("metric_name", "metric_dense", "metric_result"):
        assert one["summary"][figure] == of_run["summary"][figure], figure
