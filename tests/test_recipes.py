"""Every recipe in recipes/ plans, on stand-in data; the default one is run by CI on the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from axkit.run.planning import plan
from axkit.run.recipe import load_source
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


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipe_plans(path, ratings):
    settings: list[str] = []
    if path.parent.name == "hub":  # the same passes, on a model and data that need no network
        text = path.read_text()
        model = next(here for there, here in STAND_INS.items() if f"model: {there}\n" in text)
        assert "task: glue/" in text
        settings = [f"model={model}", "task=embedded:movie-reviews"]
        if "keep: [0, 2, 4, 7, 9, 11]" in text:  # of twelve layers
            settings.append("passes.1.keep=[0, 2, 5]")
    made = plan(load_source(path, settings))
    assert made.recipe.name.replace("-", "_") == path.stem, "a recipe is named as its file"
    assert made.rows.splits["train"]
    assert made.family.model_type == made.model_config["model_type"]
