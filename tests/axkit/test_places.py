"""Paths in recipes and task files, recipes by name, tasks in files."""

from __future__ import annotations

import json
import shutil

import pytest
from command import refused

from axkit.ground.errors import RecipeError
from axkit.ground.plain.places import MovedPath
from axkit.run.planning import plan
from axkit.run.recipe import load_source, read_source
from axkit.run.shipped import TwoOfAName, located, purpose, shipped

TASK = "kind: classification\nfiles: all.jsonl\nsplit: {test: 0.25, search: 0.2}\ntext: sentence\nlabel: label\n"


@pytest.fixture
def elsewhere(workplace, monkeypatch):
    """The workplace moved to a folder below the working directory, and a task file there."""
    inside = workplace / "jobs" / "mine"
    inside.mkdir(parents=True)
    for name in ("model", "train.jsonl", "test.jsonl", "recipe.yaml"):
        (workplace / name).rename(inside / name)
    shutil.copy(inside / "train.jsonl", inside / "all.jsonl")
    (inside / "task.yaml").write_text(TASK)
    return inside


def test_paths_of_a_recipe_are_seen_from_its_folder(elsewhere):
    made = plan(load_source("jobs/mine/recipe.yaml"))
    assert made.recipe.model == "jobs/mine/model"
    assert made.recipe.task["files"] == {"train": "jobs/mine/train.jsonl", "test": "jobs/mine/test.jsonl"}
    assert len(made.rows.splits["test"]) == 60
    assert made.model_config["model_type"] == "distilbert"


def test_those_of_its_passes_too(elsewhere):
    text = (elsewhere / "recipe.yaml").read_text() + "  - pass: distill\n    teacher: ./model\n    hard: 1.0\n"
    (elsewhere / "recipe.yaml").write_text(text)
    source = load_source("jobs/mine/recipe.yaml")
    assert source.recipe.passes[-1].settings["teacher"] == "jobs/mine/model"


def test_where_a_file_is_only_in_the_working_directory_it_is_taken_with_a_warning(elsewhere, workplace):
    (elsewhere / "train.jsonl").rename(workplace / "train.jsonl")
    with pytest.warns(MovedPath, match=r"write '\.\./\.\./train.jsonl'"):
        source = load_source("jobs/mine/recipe.yaml")
    assert source.recipe.task["files"]["train"] == "train.jsonl"
    shutil.copy(workplace / "train.jsonl", elsewhere / "train.jsonl")
    assert load_source("jobs/mine/recipe.yaml").recipe.task["files"]["train"] == "jobs/mine/train.jsonl"


def test_what_is_no_path_stays(elsewhere, workplace):
    def model(name):
        return read_source(f"axkit: 1\nname: x\nmodel: {name}\ntask: x\npasses: [{{pass: int8}}]", "r.yaml", (), "jobs")

    assert model("embedded:bert").recipe.model == "embedded:bert"
    assert model("google-bert/bert-base-uncased").recipe.model == "google-bert/bert-base-uncased"
    assert model("./gone").recipe.model == "jobs/gone", "a message says where it was looked for"
    assert model("mine/model").recipe.model == "jobs/mine/model"
    assert model("/gone").recipe.model == "/gone"


def test_overrides_are_seen_from_the_working_directory(elsewhere, workplace):
    shutil.copytree(elsewhere / "model", workplace / "other")
    source = load_source("jobs/mine/recipe.yaml", ["model=other"])
    assert source.recipe.model == "other"


def test_a_task_may_stand_in_a_file(elsewhere, run, workplace):
    text = (elsewhere / "recipe.yaml").read_text()
    start, end = text.index("task:"), text.index("passes:")
    (elsewhere / "recipe.yaml").write_text(f"{text[:start]}task: task.yaml\n{text[end:]}")
    made = plan(load_source("jobs/mine/recipe.yaml"))
    assert [len(made.rows.splits[name]) for name in ("train", "search", "test")] == [88, 32, 40]
    code, out, err = run("plan", "jobs/mine/recipe.yaml", "--task", "jobs/mine/task.yaml")
    assert code == 0, err
    assert "40 test" in out
    (elsewhere / "task.yaml").write_text(TASK + "metrik: f1\n")
    refused(run("plan", "jobs/mine/recipe.yaml"), "task.yaml, line 6: unknown key 'metrik'")
    refused(run("plan", "jobs/mine/recipe.yaml", "--task", "jobs/mine/task.yaml"), "task.yaml, line 6")
    refused(run("plan", "jobs/mine/recipe.yaml", "--task", "gone.yaml"), "no task at gone.yaml")


def test_a_finished_folder_takes_a_task_file_and_its_recipe_goes_again(elsewhere, run, workplace):
    quick = ("--set", "passes=[{pass: int8}]", "--set", "passes.0={pass: finetune, epochs: 0.1}")
    code, _, err = run("apply", "jobs/mine/recipe.yaml", *quick, "--out", "jobs/out")
    assert code == 0, err
    code, out, err = run("eval", "jobs/out/tiny", "--task", "jobs/mine/task.yaml")
    assert code == 0, err
    assert "40 rows" in out
    text = (workplace / "jobs" / "out" / "tiny" / "recipe.yaml").read_text()
    assert "model: ../../mine/model" in text
    code, _, err = run("apply", "jobs/out/tiny/recipe.yaml", "--out", "jobs/out", "--force")
    assert code == 0, err
    assert err.count("finished earlier, reused") == 1
    assert "note:" not in err


def test_recipes_by_name(run, workplace, monkeypatch):
    assert "posttrain_prune" in shipped()
    assert "hub/bert_axformer" in shipped()
    assert all(purpose(path).endswith(".") and len(purpose(path)) > 20 for path in shipped().values())
    for name in ("posttrain_prune", "posttrain-prune", "posttrain_prune.yaml"):
        assert located(name) == shipped()["posttrain_prune"]
        assert load_source(name).recipe.name == "posttrain-prune"
    code, out, _ = run("recipes")
    assert code == 0
    assert "A fine-tuned model and some rows, no training" in out
    code, out, _ = run("recipes", "posttrain_prune")
    assert code == 0
    assert out == shipped()["posttrain_prune"].read_text()
    refused(run("plan", "posttrain_prun"), "did you mean 'posttrain_prune'")
    refused(run("plan", "recipes/posttrain_prune.yaml"), "axkit brings one of that name: give 'posttrain_prune'")
    with pytest.raises(RecipeError, match=r"no recipe at other\.yaml"):
        load_source("other.yaml")


def test_a_file_of_the_name_wins_and_that_is_said(workplace):
    shutil.copy(workplace / "recipe.yaml", workplace / "posttrain_prune.yaml")
    with pytest.warns(TwoOfAName, match=r"posttrain_prune\.yaml is taken"):
        assert load_source("posttrain_prune").recipe.name == "tiny"
    (workplace / "posttrain_prune.yaml").unlink()
    (workplace / "posttrain_prune").mkdir()
    assert load_source("posttrain_prune").recipe.name == "posttrain-prune", "a folder is no recipe"


@pytest.mark.filterwarnings("default::axkit.ground.plain.places.MovedPath")
def test_a_warning_is_a_note_on_the_command_line(run, elsewhere, workplace):
    (elsewhere / "train.jsonl").rename(workplace / "train.jsonl")
    code, _, err = run("plan", "jobs/mine/recipe.yaml")
    assert (code, err.count("note: recipe.yaml: 'train.jsonl' was found")) == (0, 1)


def test_a_sweep_sees_a_recipe_from_its_folder_too(elsewhere, workplace):
    from axkit.sweep.plan import Wanted, plan_sweep

    (planned,) = plan_sweep(Wanted(["jobs/mine/recipe.yaml"], tasks=["jobs/mine/task.yaml"]))
    assert planned.written.place == "jobs/mine"
    assert json.loads(planned.written.overrides[0].removeprefix("task="))["files"] == "jobs/mine/all.jsonl"
