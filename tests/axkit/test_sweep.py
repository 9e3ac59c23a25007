"""Sweeps: planned all at once, stages made once, finished runs kept, failures told."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from axkit.sweep import Wanted, failure, sweep

HEAD = """\
axkit: 1
name: {name}
model: model
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
  - {{pass: finetune, epochs: 6, learning_rate: 3e-3, batch_size: 16}}
"""
TASK = """\
kind: classification
files: {train: train.jsonl, test: train.jsonl}
text: sentence
label: label
"""


def write_recipe(folder: Path, name: str, *passes: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(HEAD.format(name=name) + "".join(f"  - {one}\n" for one in passes), encoding="utf-8")
    return path.name


class Heard:
    """A Progress that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def track(self, items, what, total=None):
        yield from items

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def recipes(workplace):
    (workplace / "other.yaml").write_text(TASK, encoding="utf-8")
    return [
        write_recipe(workplace, "a", "{pass: int8}"),
        write_recipe(workplace, "b", "{pass: drop_layers, drop: [1]}"),
    ]


def test_stages_are_made_once_and_finished_runs_kept(recipes):
    wanted = Wanted(recipes, tasks=["other.yaml"], seeds=[1, 2])
    heard = Heard()
    outcomes = sweep(wanted, progress=heard)
    assert [(o.run.recipe, o.run.task, o.run.seed, o.state) for o in outcomes] == [
        (recipe, "other", seed, "done") for recipe in "ab" for seed in (1, 2)
    ]
    assert not failure(outcomes)
    assert sum("finetune" in line for line in heard.lines) == 4, "two made, two reused"
    assert sum("finished earlier, reused" in line for line in heard.lines) == 2
    dense = {o.run.name: o.report["summary"]["metric_dense"] for o in outcomes}
    assert dense["a on other, seed 1"] == dense["b on other, seed 1"]

    out = Path("runs/sweep")
    found = json.loads((out / "sweep.json").read_text())
    assert [row["n"] for row in found["rows"]] == [2, 2]
    for run in found["runs"]:
        assert (out / run["folder"] / "model.safetensors").is_file()
    drawn = ElementTree.fromstring((out / "frontier-other.svg").read_text())
    assert len([one for one in drawn.iter() if one.tag.endswith("circle")]) == 2
    text = (out / "sweep.md").read_text()
    assert "On the frontier" in text
    assert "| [a](a/other/1/report.md) | other | 1 |" in text

    heard = Heard()
    again = sweep(wanted, progress=heard)
    assert [o.state for o in again] == ["kept"] * 4
    assert not [line for line in heard.lines if "finetune" in line]
