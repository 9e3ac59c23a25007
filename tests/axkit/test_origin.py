"""A result of axkit is the model of another recipe: opened as it was left; its trail and what it ended go on."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from conftest import write_rows, write_trained_model

import axkit
from axkit.ground import registry
from axkit.ground.errors import CheckpointError, RecipeError
from axkit.report.run_folder import write_run
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.runtimes.folder import load_subject
from axkit.testing import logits_of, tiny_split

TASK = "{kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}"
CUT = "{pass: structured, ratio: 0.3, importance: magnitude}"
TRAINED = "{pass: finetune, epochs: 1, learning_rate: 1.0e-3}"


def recipe(model, *passes, name="on", task=TASK):
    text = f"axkit: 1\nname: {name}\nmodel: {model}\ntask: {task}\nsamples: {{train: 60, test: 40}}\npasses:\n"
    return read_source(text + "".join(f"  - {one}\n" for one in passes), "r.yaml")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A trained tiny model, rows, and results that were made of it."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_DATASETS_CACHE", str(folder / "hf"))
        real, own = registry.entries, registry.Entry(registry.PASSES, "looks", "strangers:Looks", "strangers 1.0")
        patch.setattr(registry, "entries", lambda group: real(group) | ({"looks": own} if group == own.group else {}))
        write_trained_model(folder / "model")
        write_rows(folder / "train.jsonl", 100, 1)
        write_rows(folder / "test.jsonl", 40, 2)
        made = {"cut": (CUT,), "int8": (CUT, "{pass: int8}"), "vocab": ("{pass: vocab}",), "bf16": ("{pass: bf16}",)}
        for name, passes in made.items():
            write_run(axkit.apply(recipe("model", *passes, name=name)), folder / name)
        yield folder


def test_what_was_carved_is_trained_on(place):
    before = load_subject("cut")
    assert not before.structure.is_dense, "premise: something was cut"
    run = axkit.apply(recipe("cut", TRAINED, "{pass: int8}"))
    assert [step.name for step in run.subject.trail] == ["structured", "finetune", "int8"]
    assert run.subject.structure == before.structure
    assert run.summary.values.dense == before.body.values()
    assert run.summary.searched.dense.score == run.stages[0].record.search.score, "finetune made the dense model"
    write_run(run, place / "on")
    again, split = load_subject("on"), tiny_split()
    assert torch.equal(logits_of(again.module, split), logits_of(run.subject.module, split))
    assert [step.name for step in again.trail] == ["structured", "finetune", "int8"]


def test_what_was_carved_is_carved_again_and_learns_from_itself(place):
    before = load_subject("cut")
    drop = "{pass: drop_layers, drop: [1]}"
    run = axkit.apply(recipe("cut", drop, "{pass: distill, epochs: 1, hidden: 1.0}", name="again"))
    assert run.subject.structure.is_within(before.structure)
    assert not run.subject.structure.layers[1].present
    assert [step.name for step in run.subject.trail] == ["structured", "drop_layers", "distill"]
    dense = load_subject(place / "runs" / ".stages" / "again" / run.summary.baseline.stage)
    assert dense.structure == before.structure, "it is the dense model of the run, and what distill learns from"
    assert torch.equal(logits_of(dense.module, tiny_split()), logits_of(before.module, tiny_split()))


def test_refit_starts_from_the_result(place):
    run = axkit.apply(
        recipe("cut", "{pass: finetune, epochs: 0.1, learning_rate: 1.0e-12, refit: pretrained}", name="re")
    )
    split = tiny_split()
    expected = logits_of(load_subject("cut").module, split)
    torch.testing.assert_close(logits_of(run.subject.module, split), expected, atol=1e-4, rtol=0)


def test_int8_stays_as_it_was_bit_by_bit(place):
    before, split = load_subject("int8"), tiny_split()
    run = axkit.apply(recipe("int8", "{pass: looks}", name="looked"))
    assert torch.equal(logits_of(run.subject.module, split), logits_of(before.module, split))
    assert [step.name for step in run.subject.trail] == ["structured", "int8", "looks"]


@pytest.mark.parametrize(
    ("model", "step", "said"),
    [
        ("int8", CUT, r"line 7: 'structured' needs float_weights, which 'int8' ended when 'int8' was made; leave"),
        ("int8", TRAINED, "'finetune' needs differentiable, which 'int8' ended"),
        ("int8", "{pass: int8}", "'int8' needs float_weights, which 'int8' ended"),
        ("bf16", TRAINED, "'finetune' needs differentiable, which 'bf16' ended when 'bf16' was made"),
        ("bf16", "{pass: int8}", "'int8' needs full_precision, which 'bf16' ended"),
    ],
)
def test_what_a_trail_ended_is_not_there_any_more(place, model, step, said):
    with pytest.raises(RecipeError, match=said):
        plan(recipe(model, step))


def test_the_plan_tells_what_made_the_model(place, run):
    (place / "on.yaml").write_text(recipe("int8", "{pass: looks}").text)
    code, said, _ = run("plan", "on.yaml")
    assert code == 0
    assert "made   by structured, int8; what these ended stays ended" in said


def test_a_model_with_fewer_words_is_its_own_teacher(place):
    """What the run measures against takes the ids of that very model, so the trait starts anew."""
    run = axkit.apply(recipe("vocab", CUT, "{pass: distill, epochs: 0.2}", name="words"))
    assert len(run.subject.reader) == load_subject("vocab").module.config.vocab_size
    assert (
        run.summary.quality.dense.points
        == json.loads((place / "vocab" / "report.json").read_text())["summary"]["metric_result"]
    )


def test_the_head_is_the_result_s_own(place):
    task = "{kind: token_classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}"
    with pytest.raises(RecipeError, match=r"'cut' goes on with the head that .*; give a task of that kind"):
        plan(recipe("cut", TRAINED, task=task))


def test_a_trail_of_a_pass_that_is_not_installed_is_told(place, tmp_path):
    shutil.copytree("int8", tmp_path / "lost")
    for name, trail in (("axkit.json", lambda it: it), ("config.json", lambda it: it["axkit"])):
        content = json.loads((tmp_path / "lost" / name).read_text())
        trail(content)["trail"][-1]["name"] = "gone"
        (tmp_path / "lost" / name).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"/lost' was made by the pass 'gone' of axkit .*unknown pass 'gone'"):
        plan(recipe(f"{tmp_path}/lost", "{pass: looks}"))


def test_a_damaged_result_is_refused(place, tmp_path):
    shutil.copytree("cut", tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="is not the file that axkit wrote"):
        axkit.apply(recipe(f"{tmp_path}/cut", TRAINED, name="damaged"))
