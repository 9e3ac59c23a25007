"""Every fault names its place and the nearest right name; all are told at once."""

from __future__ import annotations

import pytest

from axkit.errors import AxkitError, RecipeError
from axkit.planning import plan
from axkit.recipe import Recipe, load_source, read_source

GOOD = """\
axkit: 1
name: x
model: embedded:distilbert
task: embedded:movie-reviews
passes:
  - pass: finetune
    epochs: 2
  - pass: int8
"""


def faults(text, *overrides):
    with pytest.raises(RecipeError) as caught:
        plan(read_source(text, "r.yaml", overrides))
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("int8", "int9", "r.yaml, line 8: unknown pass 'int9'; did you mean 'int8'?"),
        ("epochs: 2", "epoch: 2", "r.yaml, line 7: unknown key 'epoch' of pass 'finetune'; did you mean 'epochs'?"),
        (
            "epochs: 2",
            "epochs: two",
            "r.yaml, line 7: 'epochs' of pass 'finetune' should be a valid number (got 'two')",
        ),
        ("epochs: 2", "epochs: -1", "r.yaml, line 7: 'epochs' of pass 'finetune' should be greater than 0 (got -1)"),
        (
            "int8",
            "drop_layers",
            "r.yaml, line 8: pass 'drop_layers': give either 'keep' or 'drop', a list of layers such as [0, 2, 4]",
        ),
        ("axkit: 1", "axkit: 2", "r.yaml, line 1: 'axkit' should be 1 (got 2)"),
        ("name: x", "nmae: x", "r.yaml, line 2: unknown key 'nmae'; did you mean 'name'?"),
        (
            "embedded:movie-reviews",
            "embedded:movie-review",
            "r.yaml, line 4: unknown task 'embedded:movie-review'; did you mean 'embedded:movie-reviews'?",
        ),
        (
            "embedded:distilbert",
            "embedded:distillbert",
            "r.yaml, line 3: unknown model 'embedded:distillbert'; did you mean 'embedded:distilbert'?",
        ),
    ],
)
def test_one_fault(old, new, expected):
    assert expected in faults(GOOD.replace(old, new))


def test_all_faults_at_once():
    text = GOOD.replace("int8", "int9").replace("epochs: 2", "epochs: two\n    freeze: all").replace("movie-", "mvie-")
    told = faults(text)
    assert len(told) == 4
    assert any("line 9: unknown pass 'int9'" in fault for fault in told)


def test_a_pass_after_one_that_ended_what_it_needs():
    told = faults(GOOD + "  - pass: axformer_prune\n")
    assert told == [
        "r.yaml, line 9: 'axformer_prune' needs float_weights, which 'int8' (pass 1) ends; "
        "put 'axformer_prune' before it"
    ]


INNER = """\
  - pass: axformer_prune
    objective: budget
    speedup: 2.0
    recover: {pass: distill, epochs: 0.5}
"""


def test_a_pass_inside_a_pass_is_planned_with_it():
    step = plan(read_source(GOOD.replace("  - pass: int8\n", INNER), "r.yaml", ())).steps[1]
    inner = step.inner["recover"]
    assert (inner.name, inner.config.epochs) == ("distill", 0.5)
    assert "teacher" in step.needs
    assert step.config.model_dump(mode="json")["recover"] == {"pass": "distill", "epochs": 0.5}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pass: distill", "pass: distil", "line 11: unknown pass 'distil'; did you mean 'distill'?"),
        ("epochs: 0.5", "epoch: 0.5", "line 11: unknown key 'epoch' of pass 'distill'; did you mean 'epochs'?"),
        ("pass: distill, epochs: 0.5", "pass: int8", "line 11: 'recover' takes a pass that trains, such as distill"),
        ("speedup: 2.0", "vote: 0.5", "line 8: 'axformer_prune': objective budget has no target"),
        ("objective: budget", "vote: 0.5", "'speedup' is for objective budget"),
    ],
)
def test_faults_inside_a_pass(old, new, expected):
    told = faults(GOOD.replace("  - pass: int8\n", INNER.replace(old, new)))
    assert any(expected in fault for fault in told), told


@pytest.mark.parametrize(
    "text", ["", "- a", "axkit: [", "a: 1\na: 2", "axkit: 1\n\tname: x", "!!python/object/apply:os.getcwd []", "\x00"]
)
def test_broken_yaml_is_one_sentence(text):
    with pytest.raises(RecipeError):
        read_source(text, "r.yaml")


def test_overrides():
    source = read_source(GOOD, "r.yaml", ["passes.0.epochs=1e-1", "samples.train=5", "task={kind: classification}"])
    assert source.recipe.passes[0].settings == {"epochs": 0.1}
    assert source.recipe.samples.train == 5
    for bad in ("x", "=3", "passes.9.epochs=1", "name.x=1", "passes.x=1"):
        with pytest.raises(RecipeError, match="--set"):
            read_source(GOOD, "r.yaml", [bad])


def test_a_missing_file():
    with pytest.raises(RecipeError, match="no recipe at nowhere"):
        load_source("nowhere.yaml")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("{kind: classification, text: a, label: b}", "either 'files' or 'hub'"),
        ("{kind: classify, text: a, label: b, hub: x}", "'kind'"),
        ("{kind: classification, text: a, label: b, files: {train: a.jsonl}}", "needs a train and a test file"),
        ("{kind: classification, text: a, label: b, hub: x, metric: pearson}", "metric 'pearson'"),
        ("{kind: classification, text: a, lable: b, hub: x}", "did you mean 'label'"),
    ],
)
def test_task_faults(task, expected):
    told = faults(GOOD, f"task={task}")
    assert any(expected in fault for fault in told), told


def test_recipe_is_frozen():
    recipe = Recipe.read(GOOD)
    with pytest.raises(Exception, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]


def test_axkit_error_is_the_root_of_all():
    assert issubclass(RecipeError, AxkitError)


def test_a_pass_that_needs_a_teacher_before_there_is_one(monkeypatch):
    from axkit_plugins.finetune import Finetune

    monkeypatch.setattr(Finetune, "needs", frozenset({"train", "teacher"}))
    assert any("needs a teacher" in fault for fault in faults(GOOD))


def test_a_pass_whose_package_is_missing_names_the_extra(monkeypatch):
    from axkit_plugins.finetune import Finetune

    monkeypatch.setattr(Finetune, "packages", ("no_such_package",))
    assert any("pip install 'axkit[train]'" in fault for fault in faults(GOOD))


def test_a_budget_is_held_by_the_pass_itself_where_it_can():
    with_budget = GOOD + "    budget: {max_drop: 0.5}\n"
    assert plan(read_source(with_budget, "r.yaml", ())).steps[1].config.max_drop == 0.5
    own = with_budget + "    max_drop: 0.2\n"
    assert plan(read_source(own, "r.yaml", ())).steps[1].config.max_drop == 0.2
    told = faults(with_budget + "    sensitivity_rows: 0\n")
    assert "give 'sensitivity_rows' above 0" in told[0]
