from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from command import refused
from exporting import workplace

import axkit
from axkit import torch_subject
from axkit.ground.quiet import quiet
from axkit.testing import check_pass, lend, logits_of, tiny_model, tiny_reader, tiny_subject
from axkit_plugins.mend import Mend

RECIPE = """\
axkit: 1
name: mended
model: short
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
passes:
  - {pass: mend, rows: 40, teacher: model, layers: [0, 2]}
"""


def test_it_keeps_the_contract(family):
    check_pass(Mend, family, name="mend")


def test_a_model_that_somebody_cut_comes_nearer_to_the_dense_one(family, tmp_path):
    dense = tiny_subject(family)
    subject = dense.copy()
    structure = subject.structure
    for layer in range(len(structure.layers)):
        structure = structure.without_heads(layer, [1]).without_neurons(layer, range(8))
    subject.carve(structure)
    tools = lend(tmp_path, teacher=dense.module, family=family)
    result = Mend().apply(subject, Mend.Config(), tools)
    assert torch.isfinite(logits_of(subject.module, tools.train)).all()
    assert result.facts["missed_after_ratio"] < result.facts["missed_before_ratio"]
    assert subject.structure == structure


def test_an_uncut_model_stays_as_it_is(plain_family, tmp_path):
    dense = tiny_subject(plain_family)
    subject = dense.copy()
    result = Mend().apply(subject, Mend.Config(), lend(tmp_path, teacher=dense.module))
    assert result.note.startswith("Nothing was cut")
    for mine, its in zip(subject.module.parameters(), dense.module.parameters(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("block", ["without_attention", "without_ffn"])
def test_what_stays_makes_up_for_a_whole_block(plain_family, tmp_path, block):
    dense = tiny_subject(plain_family)
    subject = dense.copy()
    subject.carve(getattr(subject.structure, block)(1))
    result = Mend().apply(subject, Mend.Config(), lend(tmp_path, teacher=dense.module))
    assert result.facts["missed_after_ratio"] < result.facts["missed_before_ratio"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory of the commands, with a dense model and what somebody cut from it."""
    made = workplace(tmp_path, monkeypatch, RECIPE)
    family = axkit.family_of("bert")
    dense = axkit.load_subject("model").module
    short = tiny_model(family, num_hidden_layers=2, id2label={0: "0", 1: "1"})
    there = dense.state_dict()
    kept = {name: there[name.replace("layer.1.", "layer.2.")] for name in short.state_dict()}
    short.load_state_dict(kept)
    with quiet():
        short.save_pretrained("short")
        tiny_model(axkit.family_of("distilbert")).save_pretrained("other")
    for name in ("short", "other"):
        tiny_reader(family).save_pretrained(name)
    return made


def test_what_somebody_else_cut_is_mended_to_what_it_was_cut_from(place, run):
    code, _, said = run("apply", "recipe.yaml", "--out", "out")
    assert code == 0, said
    stage = json.loads((place / "out" / "mended" / "report.json").read_text("utf-8"))["stages"][-1]
    assert stage["facts"]["missed_after_ratio"] < stage["facts"]["missed_before_ratio"]
    assert "nothing to mend" not in stage["note"]
    (place / "own.yaml").write_text(
        RECIPE.replace("model: short", "model: out/mended").replace("[0, 2]", "[1, 2]"), "utf-8"
    )
    assert run("apply", "own.yaml", "--out", "again")[0] == 0, "ours may be mended again"


def test_the_last_layer_is_held_to_the_last(tmp_path):
    """Which the head reads, whatever it was before; and a teacher of more layers is taken in equal shares."""
    dense = tiny_subject(axkit.family_of("bert"))
    for gone in (2, 1):
        subject = dense.copy()
        subject.carve(subject.structure.without_layer(gone))
        result = Mend().apply(subject, Mend.Config(), lend(tmp_path, teacher=dense.module))
        assert result.facts["missed_after_ratio"] < result.facts["missed_before_ratio"], gone


def test_a_teacher_that_has_less_than_the_model(tmp_path, monkeypatch):
    dense = tiny_subject(axkit.family_of("bert"))
    subject = dense.copy()
    subject.carve(subject.structure.without_heads(0, [1]))
    for cut in (dense.structure.without_attention(1), replace(dense.structure, first_token_only=True)):
        teacher = dense.copy()
        teacher.carve(cut)
        monkeypatch.setattr("axkit.kit.teacher.open_subject", lambda *_, made=teacher: made)
        with pytest.raises(axkit.NotApplicable, match="has been cut itself; name the model"):
            Mend().apply(subject, Mend.Config(teacher="x"), lend(tmp_path))
    teacher.carve(teacher.structure.without_ffn(0))
    subject = dense.copy()
    subject.carve(teacher.structure.without_heads(1, [0]))
    assert "missed_after_ratio" in Mend().apply(subject, Mend.Config(teacher="x"), lend(tmp_path)).facts


def test_a_shared_layer_that_takes_other_turns(tmp_path, monkeypatch):
    family = axkit.family_of("albert")
    subject, teacher = tiny_subject(family), torch_subject(tiny_model(family, num_hidden_layers=5), family)
    monkeypatch.setattr("axkit.kit.teacher.open_subject", lambda *_: teacher)
    with pytest.raises(axkit.NotApplicable, match="turns of its one layer"):
        Mend().apply(subject, Mend.Config(teacher="x"), lend(tmp_path, family=family))


def test_a_teacher_that_it_was_not_cut_from(place, run):
    for replaced, said in (
        ("teacher: dense", "'layers' is of a teacher of its own"),
        ("teacher: ./nowhere", "'./nowhere' is no folder"),
        ("teacher: other", "of the family 'distilbert'"),
    ):
        (place / "bad.yaml").write_text(RECIPE.replace("teacher: model", replaced), "utf-8")
        refused(run("plan", "bad.yaml"), said)
    for layers, said in (("[2, 0]", "ascending"), ("[0, 1, 2]", "lists 3"), ("[0, 7]", "names layer 7")):
        (place / "bad.yaml").write_text(RECIPE.replace("[0, 2]", layers), "utf-8")
        refused(run("apply", "bad.yaml"), said)
    (place / "bad.yaml").write_text(
        RECIPE.replace("model: short", "model: model").replace("teacher: model", "teacher: short")
    )
    refused(run("apply", "bad.yaml"), "has 2 layers, the model 3")
    wide = tiny_model(axkit.family_of("bert"), hidden_size=64, id2label={0: "0", 1: "1"})
    with quiet():
        wide.save_pretrained("wide")
    tiny_reader(axkit.family_of("bert")).save_pretrained("wide")
    (place / "bad.yaml").write_text(RECIPE.replace("teacher: model", "teacher: wide"), "utf-8")
    refused(run("apply", "bad.yaml"), "hidden values")
