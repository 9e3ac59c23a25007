"""axkit inspect: any folder of a family, ours or not; what is idle, how it is stored, and nothing of it is run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from command import refused
from conftest import write_base_model

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import layers_of
from axkit.contract.trail import TrailStep
from axkit.finished.inspect import inspect
from axkit.finished.inspect.zeros import idle
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.run.recipe import read_source
from axkit.runtimes.folder import save
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import tiny_model, tiny_reader


@pytest.fixture
def folder(workplace):
    """A fine-tuned checkpoint of somebody else's."""
    place = workplace / "theirs"
    family = family_of("bert")
    model = tiny_model(family)
    model.config.id2label, model.config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
    with quiet():
        model.save_pretrained(place)
        tiny_reader(family).save_pretrained(place)
    return place


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_a_folder_of_somebody_elses(folder, run):
    (folder / "optimizer.pt").write_bytes(pickle.dumps(Trap()))
    (folder / "modeling.py").write_text("raise SystemExit('run')\n")
    found = inspect(folder)
    assert (found.said.architecture, found.said.model_type, found.said.kind) == (
        "BertForSequenceClassification",
        "bert",
        "classification",
    )
    assert found.said.labels == ("bad", "good")
    assert (found.missing, found.passes, found.fault) == ((), (), "")
    assert found.quantized == "F32 100 %"
    assert set(found.files.pickles) == {"optimizer.pt"}
    assert found.files.code == ("modeling.py",)
    assert not Path("sprung").exists(), "a pickle is named, never opened"
    inside = found.inside
    assert inside.values == found.files.values
    assert sum(inside.bytes.values()) == 4 * inside.values
    assert {"attention", "feed-forward", "embeddings", "head"} <= inside.bytes.keys()
    assert {"attention", "feed-forward", "embeddings and head"} <= inside.seconds.keys()
    assert all(value > 0 for value in inside.seconds.values())
    assert [win.step for win in inside.wins][:2] == ["bf16", "int8"]
    assert all(win.bytes < sum(inside.bytes.values()) for win in inside.wins)
    code, out, _ = run("inspect", str(folder), "--json")
    assert code == 0
    told = json.loads(out)
    assert told["inside"]["bytes_by_part"] == inside.bytes
    assert told["files"]["pickles"] == found.files.pickles
    code, out, _ = run("inspect", str(folder))
    assert code == 0
    for part in ("bad, good", "optimizer.pt", "was not opened", "not run here", "feed-forward", "axkit: 1"):
        assert part in out


def test_the_recipe_is_one(folder):
    steps = [step.name for step in read_source(inspect(folder).recipe, "recipe").recipe.passes]
    assert steps == ["axformer_prune", "int8"]


def test_a_model_without_a_head_is_told_to_be_fine_tuned(workplace):
    found = inspect(write_base_model(workplace / "base"))
    assert "a head for a task" in found.missing
    assert next(step.name for step in read_source(found.recipe, "recipe").recipe.passes) == "finetune"


def test_without_names_and_reader(workplace):
    with quiet():
        tiny_model(family_of("bert")).save_pretrained(workplace / "bare")
    found = inspect(workplace / "bare")
    assert "names of labels" in found.missing
    assert any(one.startswith("a reader that fits") for one in found.missing)
    assert found.inside.seconds == {}
    assert found.inside.wins[-1].speedup is None


@pytest.mark.parametrize("name", ["bert", "gpt2", "modernbert", "distilbert"])
def test_what_is_dead_is_found(name):
    family = family_of(name)
    subject = torch_subject(tiny_model(family), family)
    model, size = subject.module, 0
    clean = idle(model, family, subject.structure)
    assert clean.dead_heads == clean.dead_neurons == ()
    layer = next(iter(layers_of(model, family)))
    with torch.no_grad():
        size = layer.matrix("attention_out").shape[1] // subject.structure.n_heads
        layer.matrix("attention_out")[:, size : 2 * size] = 0
        layer.matrix("ffn_out")[:, :3] = 0
        next(model.parameters()).view(-1)[0] = float("nan")
    found = idle(model, family, subject.structure)
    assert found.dead_heads == ((0, 1),)
    assert found.dead_neurons == ((0, 3),)
    assert found.not_finite == 1
    assert found.zeros > clean.zeros


def test_neurons_that_nothing_reaches():
    family = family_of("bert")
    model = tiny_model(family)
    layer = next(iter(layers_of(model, family)))
    with torch.no_grad():
        layer.ffn_in.weight[5] = 0
        layer.ffn_in.bias[5] = 1.0
    structure = torch_subject(model, family).structure
    assert idle(model, family, structure).dead_neurons == (), "its bias gives something"
    with torch.no_grad():
        layer.ffn_in.bias[5] = 0
    assert idle(model, family, structure).dead_neurons == ((0, 1),)


def test_a_result_of_ours(workplace):
    family = family_of("bert")
    subject = torch_subject(tiny_model(family), family)
    subject.carve(subject.structure.without_heads(0, [1]).without_ffn(1))
    place = workplace / "ours"
    place.mkdir()
    save(subject, tiny_reader(family), place)
    found = inspect(place)
    assert found.said.supported
    assert found.inside.structure == subject.structure
    assert found.inside.idle.dead_heads == ()


def test_in_sixteen_bits_somebody_elses_goes_on_and_ours_does_not(folder, workplace, run):
    family = family_of("bert")
    with quiet():
        tiny_model(family).to(torch.bfloat16).save_pretrained(folder)
    found = inspect(folder)
    assert found.quantized == "BF16 100 %"
    half, eight, cut = (win.bytes for win in found.inside.wins)
    stored = sum(found.inside.bytes.values())
    assert eight < half == stored < cut < 2 * stored, "a recipe opens it in float32"
    subject = torch_subject(tiny_model(family).to(torch.bfloat16), family)
    subject.passed(TrailStep("bf16", "axkit"))
    (workplace / "ours").mkdir()
    save(subject, tiny_reader(family), workplace / "ours")
    assert inspect("ours").inside.wins == ()
    assert inspect("ours").recipe == ""
    out = run("inspect", "ours")[1]
    assert "nothing more. 'bf16' left too few bits" in " ".join(out.split())
    told = (workplace / "ours" / "axkit.json").read_text(encoding="utf-8")
    (workplace / "ours" / "axkit.json").write_text(told.replace('"bf16"', '"gone"'), encoding="utf-8")
    assert run("inspect", "ours")[0] == 0, "a pass that is not installed was not needed to load it"


def test_pickles_alone_are_named_and_not_opened(folder, run):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    found = inspect(folder)
    assert found.inside is None
    assert "pickle checkpoint" in found.fault
    assert set(found.files.pickles) == {"pytorch_model.bin"}
    assert found.recipe == ""
    code, out, _ = run("inspect", str(folder))
    assert code == 0
    assert "pytorch_model.bin" in out
    assert not Path("sprung").exists()


def test_quantized_elsewhere(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq"}}))
    found = inspect(folder)
    assert found.quantized == "by awq (F32 100 %)"
    assert "was quantized elsewhere" in found.fault


def test_what_is_no_folder(workplace, run):
    refused(run("inspect", "nowhere"), "nowhere is no folder")
    refused(run("inspect", "embedded:nonsense"), "unknown model")
    with pytest.raises(CheckpointError):
        inspect(workplace)
