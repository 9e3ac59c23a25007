"""A pass that is for a model without a head (``when: no_head``): with a ready model, as if it had not been written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import refused
from conftest import write_trained_model

import axkit
from axkit.ground.errors import RecipeError
from axkit.report import write_run
from axkit.run.keys import stage_keys, stage_names
from axkit.run.planning import plan
from axkit.run.recipe import load_source, read_source
from axkit.run.report import read_report
from axkit_plugins.finetune import Finetune

TRAINING = "  - {pass: finetune, epochs: 2, learning_rate: 3e-3, when: no_head}\n"
LEFT_OUT = "0 finetune, which is for a model without a head for the task, and 'ready' has one"


@pytest.fixture(autouse=True)
def recipe(workplace):
    """A recipe for the model that has no head; another has one."""
    write_trained_model(workplace / "ready")
    path = workplace / "recipe.yaml"
    head = path.read_text().partition("passes:")[0]
    path.write_text(f"{head}passes:\n{TRAINING}  - {{pass: int8}}\n")
    return path


def planned(*settings):
    return plan(load_source("recipe.yaml", settings))


def alike(made, other):
    assert stage_keys(made) == stage_keys(other)
    assert stage_names(made, stage_keys(made)) == stage_names(other, stage_keys(other))
    assert made.baseline == other.baseline


def test_a_ready_model_is_not_trained_and_is_its_own_measure(recipe, workplace, run):
    made = planned("model=ready")
    assert [(step.index, step.name) for step in made.steps] == [(0, "int8")]
    assert made.left_out == (LEFT_OUT,)
    recipe.write_text(recipe.read_text().replace(TRAINING, ""))
    alike(made, planned("model=ready"))
    done = axkit.apply(made)
    assert [stage.record.applied.name for stage in done.stages] == ["int8"]
    assert done.summary.baseline.stage.startswith("-1-dense")
    assert not done.summary.baseline.is_untrained
    assert done.summary.came is None, "it is the measure already"
    write_run(done, workplace / "out")
    report = read_report(workplace / "out")
    assert report.left_out == (LEFT_OUT,)
    for name in ("report.md", "README.md"):
        assert f"Left out: {LEFT_OUT}." in (workplace / "out" / name).read_text()
    assert "Left out: 0 finetune" in (workplace / "out" / "report.html").read_text()
    again = load_source(workplace / "out" / "recipe.yaml")
    assert [step.name for step in again.recipe.passes] == ["int8"]
    alike(made, plan(again))


def test_a_model_without_a_head_is_trained_as_ever(recipe):
    made = planned()
    assert ([step.name for step in made.steps], made.baseline, made.left_out) == (["finetune", "int8"], 1, ())
    recipe.write_text(recipe.read_text().replace(", when: no_head", ""))
    alike(made, planned())
    always = planned("model=ready")
    assert ([step.name for step in always.steps], always.left_out) == (["finetune", "int8"], ())


def test_what_is_left_out_needs_no_labels_and_no_package(recipe, monkeypatch):
    recipe.write_text(recipe.read_text().replace("  label: label\n", "  labels: none\n"))
    assert planned("model=ready").rows.splits["test"]
    with pytest.raises(RecipeError, match="'finetune' learns from labels"):
        planned("model=ready", "passes.0.when=always")
    recipe.write_text(recipe.read_text().replace("  labels: none\n", "  label: label\n"))
    monkeypatch.setattr(Finetune, "missing_packages", classmethod(lambda cls: ["accelerate"]))
    assert planned("model=ready").steps
    for settings in ((), ("model=ready", "passes.0.when=always")):
        with pytest.raises(RecipeError, match="pass 'finetune' needs accelerate"):
            planned(*settings)


def test_the_plan_says_so(run):
    code, out, _ = run("plan", "recipe.yaml", "--model", "ready")
    assert code == 0
    assert f"left out: {LEFT_OUT}" in " ".join(out.split())
    assert "Measured against the model as it comes" in out
    code, out, _ = run("plan", "recipe.yaml", "--model", "ready", "--json")
    found = json.loads(out)
    assert f"left out: {LEFT_OUT}" in found["notes"]
    assert (found["measured_against"], [one["name"] for one in found["passes"]]) == (None, ["int8"])
    code, out, _ = run("plan", "recipe.yaml")
    assert "left out" not in out


def test_faults_count_passes_as_the_recipe_does(recipe):
    text = recipe.read_text() + "  - pass: axformer_prune\n"
    with pytest.raises(RecipeError) as caught:
        plan(read_source(text, "r.yaml", ["model=ready"]))
    line = text.splitlines().index("  - pass: axformer_prune") + 1
    assert caught.value.faults == (
        f"r.yaml, line {line}: 'axformer_prune' needs float_weights, which 'int8' (pass 1) ends; "
        f"put 'axformer_prune' before it",
    )


def test_no_model_is_had_for_a_recipe_with_faults(run):
    refused(run("plan", "recipe.yaml", "--model", "some/model", "--set", "passes.1.pass=int9"), "unknown pass 'int9'")


def test_something_has_to_be_left(run, recipe):
    recipe.write_text(recipe.read_text().replace("  - {pass: int8}\n", ""))
    refused(run("plan", "recipe.yaml", "--model", "ready"), f"nothing is left to do without {LEFT_OUT}")
    refused(
        run("plan", "recipe.yaml", "--set", "passes.0.when=never"), "'passes.0.when' should be 'always' or 'no_head'"
    )


def test_a_family_of_models_starts_from_the_ready_one(recipe):
    from axkit.run.each import plan_each

    cut = "  - {pass: axformer_prune, objective: budget, speedup: [1.2, 1.5]}\n"
    recipe.write_text(recipe.read_text().replace("  - {pass: int8}\n", cut))
    points = plan_each(load_source(Path("recipe.yaml"), ["model=ready"]))
    assert [[step.name for step in one.plan.steps] for one in points] == [["axformer_prune"]] * 2
    assert [one.plan.steps[0].config.speedup for one in points] == [1.2, 1.5]
