"""A folder of a packed model: the last stage of a recipe, a model for another, every door."""

from __future__ import annotations

import html
import json
import re

import pytest
import torch
from conftest import folder_of, write_images
from exporting import workplace

import axkit
from axkit.ground.quiet import quiet
from axkit.testing import tiny_model, tiny_reader

HERE = "torch-packed"
RECIPE = """\
axkit: 1
name: tiny
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
passes:
  - {pass: drop_layers, drop: [1]}
  - {pass: int8, beside_bfloat16: false}
  - {pass: export, runtime: torch-packed}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory of the commands."""
    return workplace(tmp_path, monkeypatch, RECIPE)


def test_the_last_stage_of_a_recipe(place, run):
    code, _, said = run("apply", "recipe.yaml", "--out", "out")
    assert code == 0, said
    folder = place / "out" / "tiny"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    before, stage = report["stages"][-2:]
    assert abs(stage["metric_search"] - before["metric_search"]) <= 5
    assert axkit.load_subject(folder).body.runtime == HERE
    assert run("predict", str(folder), "the film was good")[0] == 0
    few = ("--batch", "1,4", "--tokens", "8", "--rounds", "1", "--seconds", "0", "--no-memory")
    assert HERE in run("bench", str(folder), "--against", "model", *few)[1]
    _goes_on(place, run)


def _goes_on(place, run):
    """Into every door of a transformers model and another runtime; what served it is left behind."""
    before = next(one for one in (place / "out" / ".stages" / "tiny").glob("1-int8-*") if one.is_dir())
    model, kept = axkit.load(before), axkit.load("out/tiny")
    inputs = {"input_ids": torch.arange(5, 17).view(2, 6)}
    assert torch.equal(model(**inputs).logits, kept(**inputs).logits)
    assert "transformers  ok" in run("verify", "out/tiny")[1]
    said = run("inspect", "out/tiny")[1]
    assert "drop_layers, int8, export; answers with torch-packed" in said
    assert "feed-forward" in said
    assert run("export", "out/tiny", "--out", "graph", "--runtime", "onnxruntime")[0] == 0
    assert [step.name for step in axkit.load_subject("graph").trail] == ["drop_layers", "int8", "export"]


def test_the_folder_holds_the_model_itself(place, run):
    """Transformers alone loads it: nothing was converted."""
    assert run("export", "model", "--out", "there", "--runtime", HERE, "--precision", "bfloat16")[0] == 0
    from transformers import AutoModelForSequenceClassification

    with quiet():
        one, other = (AutoModelForSequenceClassification.from_pretrained(name) for name in ("model", "there"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    (place / "there" / "packed.json").write_text('{"computes": "int3", "inputs": []}')
    assert "packed.json is not the file that axkit wrote" in run("predict", "there", "good")[2]
    (place / "there" / "axkit.json").write_text(
        (place / "there" / "axkit.json").read_text().replace('"packed.json"', '"absent.json"')
    )
    assert run("predict", "there", "good")[0] == 2


def test_images_are_read_as_before(place, run):
    family = axkit.family_of("vit")
    with quiet():
        tiny_model(family, id2label={0: "dark", 1: "light"}).save_pretrained(place / "other")
    tiny_reader(family).save_pretrained(place / "other")
    image = str(sorted(write_images(place / "images", 1).rglob("*.png"))[0])
    assert run("export", "other", "--out", "there", "--runtime", HERE)[0] == 0
    assert run("predict", "there", image)[1] == run("predict", "other", image)[1] != ""


def test_how_to_use_it_says_what_works(place, run):
    (place / "recipe.yaml").write_text(RECIPE.replace("  - {pass: int8, beside_bfloat16: false}\n", ""), "utf-8")
    assert run("apply", "recipe.yaml", "--out", "runs")[0] == 0
    page = (place / "runs" / "tiny" / "report.html").read_text(encoding="utf-8")
    (lines,) = re.findall(r"import axkit\nmodel = .*\n.*", html.unescape(page))
    exec(lines.partition("</")[0].replace("model.predict", "said = model.predict"), found := {})
    assert len(found["said"]) == 1
    assert "library_name" not in (place / "runs" / "tiny" / "README.md").read_text(encoding="utf-8")


def test_a_recipe_starts_from_it(place, run):
    served = RECIPE.replace("  - {pass: int8, beside_bfloat16: false}\n", "")
    (place / "recipe.yaml").write_text(served, "utf-8")
    assert run("apply", "recipe.yaml", "--out", "out")[0] == 0
    second = served.replace("name: tiny\nmodel: model", "name: second\nmodel: out/tiny")
    (place / "second.yaml").write_text(second.replace("drop_layers, drop: [1]", "bf16"), "utf-8")
    code, _, said = run("apply", "second.yaml", "--out", "out")
    assert code == 0, said
    assert [step.name for step in axkit.load_subject("out/second").trail] == ["drop_layers", "bf16", "export"]
    third = second.replace("out/tiny", "out/second").replace("drop_layers, drop: [1]", "int8")
    (place / "third.yaml").write_text(third, "utf-8")
    assert "'int8' needs full_precision, which 'bf16' ended" in " ".join(run("plan", "third.yaml")[2].split())
    told = json.loads((place / "out" / "tiny" / "axkit.json").read_text("utf-8"))
    (place / "out" / "tiny" / "axkit.json").write_text(json.dumps({**told, "keeps_model": "yes"}), "utf-8")
    assert "axkit.json is damaged" in run("predict", "out/tiny", "good")[2]
    (place / "out" / "tiny" / "axkit.json").write_text(json.dumps({**told, "keeps_model": False}), "utf-8")
    assert "from which nothing is loaded to work on" in run("plan", "second.yaml")[2]


def test_both_doors_answer_alike_but_for_padding(place, run):
    folder_of(place / "each", "TokenClassification")
    assert run("export", "each", "--out", "there", "--runtime", HERE)[0] == 0
    code, out, _ = run("verify", "there")
    assert code == 0
    assert "transformers  ok    a stock class" in out
