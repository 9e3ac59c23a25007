"""Every fault names its place and the nearest right name; all are told at once."""

from __future__ import annotations

import json

import pytest

from axkit.ground.errors import AxkitError, RecipeError
from axkit.run.planning import plan
from axkit.run.recipe import Recipe, load_source, read_source

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
    assert source.place(("passes", 0, "epochs")) == "--set passes.0.epochs"
    assert source.place(("passes", 1, "pass")) == "r.yaml, line 8"


@pytest.mark.parametrize(
    "bad",
    [
        *(
            "x",
            "=3",
            "",
            "=",
            "passes.9.epochs=1",
            "name.x=1",
            "passes.x=1",
            "passes.-1.x=1",
            "passes.².x=1",
            "passes.٣=1",
        ),
        *(
            "passes.99999999999999999999=1",
            "passes.0.epochs=[" + "[" * 100_000,
            "name=!!set {a}",
            "name=a\n---\nb",
            "name=*a",
        ),
        *(
            "name=1e999",
            "seed=" + "9" * 5000,
            "model=\0",
            ".".join("ab" * 100) + "=1",
            "passes.0.epochs.x=1",
            "seed=a: b: c",
        ),
    ],
)
def test_overrides_that_are_none(bad):
    with pytest.raises(RecipeError, match="--set") as caught:
        read_source(GOOD, "r.yaml", [bad])
    assert all(len(fault.splitlines()) == 1 and len(fault) < 400 for fault in caught.value.faults)


def test_a_merge_key_in_a_recipe():
    text = GOOD.replace("  - pass: finetune", "  - &base\n    pass: finetune") + "  - <<: *base\n    epochs: 1\n"
    settings = [(step.name, step.settings) for step in read_source(text, "r.yaml").recipe.passes]
    assert settings == [("finetune", {"epochs": 2}), ("int8", {}), ("finetune", {"epochs": 1})]
    assert any("line 8: unknown key 'epoch'" in fault for fault in faults(text.replace("epochs: 2", "epoch: 2")))


def test_a_sentence_stays_one_bearable_line():
    told = faults(GOOD.replace("name: x", 'name: "a\\nb\\u2028c"').replace("movie-reviews", "x" * 100_000))
    assert len(told) == 1
    told = faults(GOOD.replace("embedded:movie-reviews", "x" * 100_000).replace("int8", '"a\\nb"'))
    assert len(told) == 2
    assert all(len(fault.splitlines()) == 1 and len(fault) <= 1000 for fault in told)
    assert "unknown pass 'a\\nb'" in told[1]


def test_faults_survive_a_process():
    import pickle

    error = pickle.loads(pickle.dumps(RecipeError(["a: b", "c: d"])))
    assert error.faults == ("a: b", "c: d")


@pytest.mark.parametrize(
    "model", ["a\nb", "x" * 5000, "x" * 300, "a b", "a:b", "~/nowhere", "~", "../nowhere", "é/ü", "/dev/null"]
)
def test_odd_names_of_models(model):
    text = GOOD.replace("model: embedded:distilbert", f"model: {json.dumps(model)}")
    with pytest.raises(AxkitError) as caught:
        plan(read_source(text, "r.yaml")).model_folder  # noqa: B018
    assert len(str(caught.value).splitlines()) == 1


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


def passes(*lines):
    """A recipe of these passes, on a model without a head."""
    return GOOD[: GOOD.index("passes:")] + "passes:\n" + "".join(f"  - {line}\n" for line in lines)


FINETUNE, DISTILL, DROP = "{pass: finetune, epochs: 1}", "{pass: distill, hard: 1.0}", "{pass: drop_layers, drop: [1]}"


@pytest.mark.parametrize(
    ("lines", "baseline"),
    [
        ((FINETUNE, DISTILL), 1),  # self-distillation: what is measured against is what is learned from
        ((FINETUNE, FINETUNE, DISTILL, DISTILL), 2),
        ((FINETUNE, DROP, DISTILL), 1),
    ],
)
def test_what_learns_from_the_dense_model_is_no_part_of_it(lines, baseline):
    assert plan(read_source(passes(*lines), "r.yaml")).baseline == baseline


def test_a_teacher_of_its_own_needs_no_dense_model(workplace, tmp_path):
    source = (tmp_path / "recipe.yaml").read_text().partition("passes:")[0]
    text = source + "passes:\n  - {pass: distill, teacher: ./model}\n  - {pass: finetune}\n  - {pass: int8}\n"
    made = plan(read_source(text, "r.yaml"))
    assert made.baseline == 2
    assert made.steps[0].needs == {"train"}


@pytest.mark.parametrize("teacher", ["dense", "./model"])
def test_no_teacher_takes_other_tokens(teacher):
    told = faults(passes(FINETUNE, "{pass: vocab}", f"{{pass: distill, teacher: {teacher}}}"))
    assert told == [
        "r.yaml, line 8: 'distill' needs teacher_tokens, which 'vocab' (pass 1) ends; put 'distill' before it"
    ]


@pytest.mark.parametrize("lines", [(DISTILL, FINETUNE), (DROP, DISTILL), (DROP, FINETUNE, DISTILL)])
def test_a_teacher_that_nobody_has_trained_is_refused_with_a_way_that_works(lines):
    at = 6 + lines.index(DISTILL)
    (told,) = faults(passes(*lines))
    assert told.startswith(f"r.yaml, line {at}: 'distill' needs a teacher, the dense model of the run")
    assert "start the recipe with a pass such as finetune" in told
    assert plan(read_source(passes(FINETUNE, *lines), "r.yaml")).baseline == 1


def test_a_trained_model_is_a_teacher_without_any_pass(workplace, tmp_path):
    from conftest import write_trained_model

    write_trained_model(tmp_path / "trained")
    source = (tmp_path / "recipe.yaml").read_text().partition("passes:")[0].replace("model: model", "model: trained")
    assert plan(read_source(source + f"passes:\n  - {DISTILL}\n", "r.yaml")).baseline == 0


def test_a_pass_whose_package_is_missing_names_the_extra(monkeypatch):
    from axkit_plugins.finetune import Finetune

    monkeypatch.setattr(Finetune, "packages", ("no_such_package",))
    assert any("pip install 'accelerate" in fault for fault in faults(GOOD))


def test_a_budget_is_held_by_the_pass_itself_where_it_can():
    with_budget = GOOD + "    budget: {max_drop: 0.5}\n"
    assert plan(read_source(with_budget, "r.yaml", ())).steps[1].config.max_drop == 0.5
    own = with_budget + "    max_drop: 0.2\n"
    assert plan(read_source(own, "r.yaml", ())).steps[1].config.max_drop == 0.2
    told = faults(with_budget + "    sensitivity_rows: 0\n")
    assert "give 'sensitivity_rows' above 0" in told[0]
