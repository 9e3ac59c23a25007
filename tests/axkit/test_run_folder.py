"""The recipe in a run folder is the recipe that ran: nothing that somebody wrote is lost on the way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from axkit.contract.passes import PassConfig
from axkit.report.run_folder import _settings, resolved_recipe
from axkit.run.planning import plan
from axkit.run.recipe import Recipe, Step, read_source

WHOLE = """\
axkit: 1
name: whole
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
seed: 7
samples: {train: 100, test: 40}
control: true
target: {device: cuda, dtype: bfloat16, batch: 64}
passes:
  - {pass: finetune, epochs: 2, budget: {max_drop: 3}}
  - pass: axformer_prune
    objective: budget
    speedup: 1.5
    recover: {pass: distill, epochs: 0.5}
"""


@pytest.fixture
def again(workplace):
    """A recipe -> its plan, and that of what a run folder keeps of it."""

    def made(text):
        first, folder = plan(read_source(text, "whole.yaml")), Path("runs", "whole")
        folder.mkdir(parents=True, exist_ok=True)
        kept = resolved_recipe(SimpleNamespace(plan=first), folder)
        return first, plan(read_source(kept, "recipe.yaml", (), folder))

    return made


def test_every_key_of_a_recipe_survives(again):
    first, second = again(WHOLE)
    for name, field in Recipe.model_fields.items():
        assert field.is_required() or getattr(first.recipe, name) != field.default, f"premise: {name} is said"
        if name != "passes":
            assert getattr(second.recipe, name) == getattr(first.recipe, name), name
    said = [step.model_dump() for step in first.recipe.passes]
    assert all(any(one[name] for one in said) for name in Step.model_fields), "premise: each key of a step is said"
    for before, after in zip(first.steps, second.steps, strict=True):
        assert (after.name, after.config, after.budget) == (before.name, before.config, before.budget)
        assert {name: one.config for name, one in after.inner.items()} == {
            name: one.config for name, one in before.inner.items()
        }


def test_what_nobody_said_stays_so(again):
    keys = ("axkit", "name", "model", "task", "passes", "  -", "    ")
    text = "".join(f"{line}\n" for line in WHOLE.splitlines() if line.startswith(keys))
    first, second = again(text)
    assert second.recipe.model_dump(exclude={"passes"}) == first.recipe.model_dump(exclude={"passes"})
    assert second.recipe.target.batch == 32


def test_a_null_that_somebody_wrote_is_kept():
    class Config(PassConfig):
        most: int | None = 3
        least: int | None = None

    assert _settings(Config(most=None)) == {"most": None}
