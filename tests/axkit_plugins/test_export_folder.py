"""The last stage of a recipe, and ``axkit export`` of a finished folder: measured, kept, asked without axkit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from command import refused
from conftest import HEAD, write_images
from exporting import workplace
from huggingface_hub import ModelCard
from records import report

import axkit
from axkit.contract.manifest import GOLDEN
from axkit.finished.export import export
from axkit.ground.errors import RecipeError, StorageError
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import save
from axkit.tasks.about import About
from axkit.testing import tiny_model, tiny_reader, tiny_tokenizer

RECIPE = (
    HEAD
    + """\
  - {pass: drop_layers, drop: [1]}
  - {pass: int8, beside_bfloat16: false}
  - {pass: export, runtime: onnxruntime}
"""
)
ALONE = """\
import sys
class Nothing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "transformers", "datasets", "axkit", "axkit_plugins", "onnx"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
sys.path.insert(0, sys.argv[1])
import predict
print(chr(10).join(predict.said(sys.argv[2:])))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory of the commands."""
    return workplace(tmp_path, monkeypatch, RECIPE)


def alone(folder, *texts):
    """What predict.py of a folder says where there is nothing but numpy, onnxruntime and tokenizers."""
    done = subprocess.run([sys.executable, "-c", ALONE, str(folder), *texts], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_last_stage_of_a_recipe(place, run):
    code, _, said = run("apply", "recipe.yaml", "--out", "out")
    assert code == 0, said
    folder = place / "out" / "tiny"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    before, stage = report["stages"][-2:]
    assert abs(stage["metric_search"] - before["metric_search"]) <= 5
    assert stage["throughput_b32_per_s"] > 0
    assert stage["facts"]["graph_bytes"] == (folder / "model.onnx").stat().st_size
    assert not (folder / "model.safetensors").exists()
    subject = axkit.load_subject(folder)
    assert subject.body.runtime == "onnxruntime"
    assert [step.name for step in subject.trail] == ["drop_layers", "int8", "export"]
    inputs = tiny_tokenizer()(report["probe"]["texts"], padding=True, return_tensors="pt")
    assert torch.equal(subject.body.answer(inputs)["logits"], torch.tensor(report["probe"]["logits"]))

    code, scored, said = run("eval", "out/tiny")
    assert code == 0, said
    assert f"{report['summary']['metric_result']:.1f}" in scored
    few = ("--batch", "1,4", "--tokens", "8", "--rounds", "1", "--seconds", "0", "--no-memory")
    code, timed, said = run("bench", "out/tiny", "--against", "model", *few)
    assert code == 0, said
    assert "onnxruntime" in timed
    code, heard, said = run("predict", "out/tiny", "the film was good")
    assert code == 0, said
    assert alone(folder, "the film was good") == heard.splitlines()


def test_nothing_that_needs_a_module_comes_after_it(place, run):
    text = RECIPE.replace("{pass: drop_layers, drop: [1]}", "{pass: export}").replace("  - {pass: export, runtime", "#")
    (place / "recipe.yaml").write_text(text, encoding="utf-8")
    code, _, said = run("plan", "recipe.yaml")
    assert code == 2
    assert "put 'int8' before it" in said


def test_a_finished_folder_is_exported(place, run):
    code, said, _ = run("export", "model", "--out", "there", "--precision", "float32")
    assert code == 0
    assert "answers with onnxruntime" in said
    one, other = (run("predict", name, "the play is dull")[1] for name in ("model", "there"))
    assert one == other
    assert alone(place / "there", "the play is dull") == one.splitlines()
    code, _, said = run("export", "model", "--out", "there")
    assert code == 2
    assert "add --force" in said
    code, said, _ = run("export", "model", "--out", "there", "--force", "--padded", "--json")
    assert code == 0
    size = sum((place / "there" / name).stat().st_size for name in os.listdir("there") if name != GOLDEN)
    assert json.loads(said) == {"folder": "there", "runtime": "onnxruntime", "bytes": size, "note": ""}
    assert run("verify", "there")[0] == 0
    code, _, said = run("export", "there", "--out", "again")
    assert code == 2
    assert "runtime 'onnxruntime'" in said
    code, _, said = run("export", "model", "--out", "again", "--precision", "int3")
    assert code == 2
    assert "'precision'" in said
    assert not (place / "again").exists()


def run_folder(place):
    """A model with what lies beside one in a run folder."""
    folder = place / "tiny"
    folder.mkdir()
    model = tiny_model(axkit.family_of("bert"))
    save(axkit.torch_subject(model), tiny_tokenizer(), folder, About(kind="classification", recipe="tiny"))
    (folder / "report.json").write_text(json.dumps(report().to_json()), encoding="utf-8")
    recipe = RECIPE.replace("model: model", "model: who/made-it").replace(
        "train.jsonl, test: ", "../train.jsonl, test: ../"
    )
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder


def test_the_card_of_a_run_comes_along(place, run, monkeypatch):
    """It says whose its figures are, the hub is told none, and the folder can be pushed."""
    folder = run_folder(place)
    assert run("export", "tiny", "--out", "there", "--precision", "float32")[0] == 0
    card = ModelCard((place / "there" / "README.md").read_text(encoding="utf-8"))
    assert card.data.model_name == "there"
    assert card.data.base_model == "who/made-it"
    assert card.data.eval_results is None
    assert "metrics" not in card.data.to_dict()
    settings = "(runtime: onnxruntime, precision: float32, packed: True)"
    parts = [
        settings,
        "from the run folder `tiny`, which answers in torch",
        "none of this one",
        "## Figures of the folder",
    ]
    for part in (*parts, "axkit predict runs/there"):
        assert part in card.text, part
    (folder / "report.json").unlink()
    assert run("export", "tiny", "--out", "again")[0] == 0
    refused(run("push", "again", "me/small"), "again has no README.md; push a run folder or what axkit export made of")


def test_exporting_from_python(place):
    with pytest.raises(RecipeError, match="unknown key 'precison'"):
        export("model", "there", precison="int8")
    with pytest.raises(StorageError, match="exists already"):
        export("model", "model")
    made = export("model", "there", precision="int8")
    whole = sum(path.stat().st_size for path in made.folder.iterdir())
    assert (made.folder / "model.onnx").stat().st_size < made.bytes <= whole
    assert axkit.load_subject("there").trail[-1].config["precision"] == "int8"


def test_a_damaged_graph_is_a_sentence(place, run):
    assert run("export", "model", "--out", "there")[0] == 0
    graph = place / "there" / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-100])
    code, _, said = run("predict", "there", "good")
    assert code == 2
    assert "model.onnx is not the file that axkit wrote" in said
    manifest = json.loads((place / "there" / "axkit.json").read_text())
    manifest["sha256"]["model.onnx"] = hashlib.sha256(whole[:-100]).hexdigest()
    (place / "there" / "axkit.json").write_text(json.dumps(manifest))
    code, _, said = run("predict", "there", "good")
    assert code == 2
    assert said.startswith("error: ")
    assert "does not load in the runtime 'onnxruntime'" in said


def test_a_folder_of_openvino_answers_alone(place, run):
    code, said, _ = run("export", "model", "--out", "there", "--runtime", "openvino")
    assert code == 0
    assert "answers with openvino" in said
    one, other = (run("predict", name, "the play is dull")[1] for name in ("model", "there"))
    assert one == other
    assert alone(place / "there", "the play is dull") == one.splitlines()
    about = place / "there" / "export.json"
    about.write_text(about.read_text().replace("openvino", "onnxruntime"))
    assert "export.json is not the file that axkit wrote" in run("predict", "there", "good")[2]


@pytest.mark.parametrize(
    ("head", "texts", "expected"),
    [
        ("TokenClassification", ["the film was good"], 4),
        ("QuestionAnswering", ["good film", "the film was good and the play was dull"], 1),
    ],
)
def test_the_script_knows_other_heads(place, run, head, texts, expected):
    with quiet():
        tiny_model(axkit.family_of("bert"), head=head).save_pretrained(place / "other")
    tiny_tokenizer().save_pretrained(place / "other")
    assert run("export", "other", "--out", "there")[0] == 0
    lines = alone(place / "there", *texts)
    assert len(lines) == expected
    said = run("predict", "there", *texts)[1].splitlines()
    if head == "TokenClassification":
        assert [line.split("\t")[:2] for line in lines] == [line.split("\t")[:2] for line in said]
    else:
        assert said[0].startswith(lines[0])


@pytest.mark.parametrize(
    "processor",
    [
        {},
        {"size": {"shortest_edge": 14}, "do_center_crop": True, "crop_size": {"height": 12, "width": 12}},
        {"size": 14, "do_center_crop": True, "crop_size": 12, "resample": 0, "do_normalize": False},
    ],
)
def test_images_are_asked_about_alone_too(place, run, processor):
    family = axkit.family_of("vit")
    with quiet():
        tiny_model(family, id2label={0: "dark", 1: "light"}).save_pretrained(place / "other")
    tiny_reader(family).save_pretrained(place / "other")
    config = place / "other" / "preprocessor_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | processor))
    images = sorted(write_images(place / "images", 2).rglob("*.png"))
    assert run("export", "other", "--out", "there")[0] == 0
    for image in images:
        said = run("predict", "there", str(image))[1]
        assert said == run("predict", "other", str(image))[1] != ""
        assert alone(place / "there", str(image)) == said.splitlines()
