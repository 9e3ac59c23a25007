"""A recipe that lists targets: one run folder for each, shared work once, a frontier, and what is refused."""

from __future__ import annotations

import json
import types

import pytest
from command import refused
from conftest import write_trained_model

import axkit
from axkit.axformer.budget.repairs import Repairs
from axkit.axformer.budget.table import Table
from axkit.axformer.screen.evaluate import Evaluator
from axkit.ground import stopwatch
from axkit.ground.errors import RecipeError

RECIPE = """\
axkit: 1
name: {name}
model: trained
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
  - {{pass: axformer_prune, objective: budget, criterion: divergence, max_drop: 100, speedup: {speedup}}}
  - {{pass: int8}}
"""


@pytest.fixture
def place(workplace, monkeypatch):
    """A trained model, and a machine on which time is arithmetic: a module costs its parameters."""

    def priced(_, module, *__):
        values = sum(p.numel() for p in module.parameters()) if hasattr(module, "parameters") else 1
        return stopwatch.Taken(values / 1e6 + 1e-6, 0.0)

    monkeypatch.setattr(stopwatch, "taken", priced)
    write_trained_model(workplace / "trained")
    return workplace


def recipe(place, speedup="[1.1, 1.2]", name="fam", instead=()):
    text = RECIPE.format(name=name, speedup=speedup)
    for old, new in instead:
        assert old in text
        text = text.replace(old, new)
    (place / "recipe.yaml").write_text(text)
    return "recipe.yaml"


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture
def looks(monkeypatch):
    """How often a candidate was run, and a table of blocks was made."""
    seen, look, estimate = [], Repairs.look.__func__, Evaluator.estimate
    monkeypatch.setattr(Repairs, "look", classmethod(lambda *given: (seen.append("table"), look(*given))[1]))
    monkeypatch.setattr(Evaluator, "estimate", lambda *given: (seen.append("look"), estimate(*given))[1])
    return seen


def test_each_number_gives_the_folder_that_it_alone_would_and_the_work_is_shared(run, place, looks):
    code, out, err = run("apply", recipe(place))
    assert code == 0, err
    family = place / "runs" / "fam"
    assert looks.count("table") == 1
    assert {path.name for path in family.iterdir()} == {
        "1.1x",
        "1.2x",
        "frontier.json",
        "frontier.md",
        "frontier.svg",
    }
    found = json.loads((family / "frontier.json").read_text())
    assert (found["setting"], found["planned"], [one["asked"] for one in found["points"]]) == ("speedup", 2, [1.1, 1.2])
    for one in found["points"]:
        summary = json.loads((family / one["folder"] / "report.json").read_text())["summary"]
        assert one["low"] <= one["points"] <= one["high"]
        assert (one["points"], one["bytes"]) == (summary["metric_result"], summary["bytes_result"])
        assert one["folder"] in out
        assert f"({one['folder']}/report.md)" in (family / "frontier.md").read_text()
        assert one["folder"] in (family / "frontier.svg").read_text()
    assert found["points"][0]["bytes"] > found["points"][1]["bytes"]
    looks.clear()
    code, _, err = run("apply", recipe(place, "1.2", "alone"))
    assert code == 0, err
    assert looks.count("look") > 4
    assert weights(place / "runs" / "alone") == weights(family / "1.2x")
    ends = [json.loads((folder / "report.json").read_text()) for folder in (place / "runs" / "alone", family / "1.2x")]
    assert ends[0]["key"] == ends[1]["key"]
    assert ends[0]["stages"][0]["facts"] == ends[1]["stages"][0]["facts"]
    code, _, err = run("apply", str(family / "1.1x" / "recipe.yaml"), "--out", "again")
    assert code == 0, err
    assert weights(place / "again" / "fam-1.1x") == weights(family / "1.1x")


def test_a_family_that_was_interrupted_goes_on_and_keeps_what_is_finished(run, place, monkeypatch, looks):
    count, decide = [], Table.run

    def interrupt(self):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return decide(self)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "run", interrupt)
        code, _, err = run("apply", recipe(place))
    family = place / "runs" / "fam"
    assert code == 130
    assert "run the same command to go on" in err
    first = (family / "1.1x" / "model.safetensors").stat()
    assert json.loads((family / "frontier.json").read_text())["planned"] == 2
    assert not (family / "1.2x").exists()
    looks.clear()
    code, out, err = run("apply", "recipe.yaml", "--json")
    assert code == 0, err
    assert json.loads(out) == {"folder": "runs/fam"} | json.loads((family / "frontier.json").read_text())
    assert "look" not in looks, "what the first had seen stands in the second's journal"
    assert (family / "1.1x" / "model.safetensors").stat() == first
    assert len(json.loads((family / "frontier.json").read_text())["points"]) == 2
    code, _, err = run("apply", "recipe.yaml", "--out", "whole")
    assert code == 0, err
    assert weights(family / "1.2x") == weights(place / "whole" / "fam" / "1.2x")
    other = recipe(place, instead=[("max_drop: 100", "max_drop: 90")])
    refused(run("apply", other), "another run", "1.1x")


@pytest.mark.parametrize(
    ("speedup", "instead", "parts"),
    [
        ("[1.5, 1.2]", (), ("line 6", "'speedup' lists numbers that rise", "[1.5, 2, 3]")),
        ("[1.5, 1.5]", (), ("line 6", "each of them once")),
        ("[1.5, fast]", (), ("line 6", "lists numbers")),
        ("[]", (), ("line 6", "lists numbers")),
        ("[0.5, 2]", (), ("line 6", "speedup", "greater than 1")),
        ("[1.1, 1.2], size: [1.1, 1.2]", (), ("'size' lists several numbers, and so does 'speedup'", "one list")),
        ("1.5", (("max_drop: 100", "max_drop: [1, 2]"),), ("line 6", "max_drop")),
        ("1.5", (("{pass: int8}", "{pass: int8, percentile: [1, 2]}"),), ("line 7", "percentile")),
    ],
)
def test_what_is_refused_in_one_sentence(run, place, speedup, instead, parts):
    assert len(refused(run("plan", recipe(place, speedup, instead=instead)), *parts)) == 1


def test_the_plan_says_how_many_there_will_be(run, place):
    code, out, _ = run("plan", recipe(place))
    assert code == 0
    assert "family 2 models, one for each 'speedup': 1.1x, 1.2x" in out
    code, out, _ = run("plan", "recipe.yaml", "--json")
    assert code == 0
    assert list(json.loads(out)["plans"]) == ["1.1x", "1.2x"]


def test_in_python_one_model_is_applied_and_a_family_is_applied_each(place):
    source = axkit.Recipe.load(recipe(place))
    with pytest.raises(RecipeError, match=r"'speedup' lists several numbers.*axkit\.apply_each"):
        axkit.apply(source, "runs")
    with pytest.raises(RecipeError, match=r"no setting lists several targets; take axkit\.apply"):
        next(axkit.apply_each(axkit.Recipe.load(recipe(place, "1.2"))))
    made = axkit.apply_each(source, "runs")
    assert isinstance(made, types.GeneratorType)
    for wanted, (point, run) in zip((1.1, 1.2), made, strict=True):
        assert (point.value, point.label, point.setting) == (wanted, f"{wanted:g}x", "speedup")
        assert isinstance(run, axkit.Run)
        assert run.plan.recipe.name == f"fam-{wanted:g}x"
        assert run.summary.bytes.ratio > 1
