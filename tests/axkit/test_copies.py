"""How many copies of a model are alive at once, on the way through a recipe: those that the collector sees."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import torch
from conftest import write_rows, write_trained_model
from transformers import Trainer

import axkit
from axkit.axformer.budget.ledger import Ledger
from axkit.run.start import Start
from axkit.tasks.split import Split

RECIPE = """
axkit: 1
name: copies
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
seed: 1
passes:
  - {pass: finetune, epochs: 1}
  - pass: axformer_prune
    objective: budget
    size: 1.2
    max_drop: 100
    mend: false
    recover: {pass: distill, epochs: 1}
  - {pass: int8}
"""


class Alive:
    """Bytes of tensors in reach beyond those at the beginning, as multiples of the dense model's; the most so far."""

    def __init__(self, dense_bytes):
        self.dense_bytes, self.before = dense_bytes, self.now()
        self.most = {"weights": {}, "all": {}}

    def now(self):
        weights, others = {}, {}
        for one in gc.get_objects():
            if type(one) in (torch.Tensor, torch.nn.Parameter) and one.layout is torch.strided:  # packed ones have none
                storage = one.untyped_storage()
                if storage.data_ptr():
                    (weights if type(one) is torch.nn.Parameter else others)[storage.data_ptr()] = storage.nbytes()
        return {"weights": sum(weights.values()), "all": sum({**others, **weights}.values())}

    def look(self, where):
        for what, size in self.now().items():
            copies = (size - self.before[what]) / self.dense_bytes
            self.most[what][where] = max(self.most[what].get(where, 0.0), copies)


@pytest.fixture
def alive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    write_trained_model(tmp_path / "model", "bert")
    write_rows(tmp_path / "train.jsonl", 40, 1)
    write_rows(tmp_path / "test.jsonl", 10, 2)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    gc.collect()
    return Alive((tmp_path / "model" / "model.safetensors").stat().st_size)


def watched(monkeypatch, alive, owner, name, where, every=1):
    real, calls = getattr(owner, name), [0]

    def looked(*args, **named):
        calls[0] += 1
        if calls[0] % every == 0:
            alive.look(where)
        return real(*args, **named)

    monkeypatch.setattr(owner, name, looked)


def test_no_more_than_four_copies_are_alive(alive, monkeypatch):
    watched(monkeypatch, alive, Split, "evaluate", "evaluating")
    watched(monkeypatch, alive, Trainer, "training_step", "training")
    watched(monkeypatch, alive, Ledger, "look", "walking", every=4)
    gc.disable()  # nothing may wait for the collector: a model has few objects, so it comes late
    try:
        run = axkit.apply(axkit.Recipe.load("recipe.yaml"))
    finally:
        gc.enable()
    assert len(run.stages) == 3
    weights = alive.most["weights"]
    assert weights["walking"] > 2.5, "premise: the dense model, the one that is cut and the workbench's are seen"
    assert max(weights.values()) <= 4.05, weights
    assert alive.most["all"]["training"] <= 6.1, "with gradients and both moments of the optimizer"


def test_a_start_is_let_go_and_loaded_again():
    class One:
        reader, family = "reader", "family"

        def __init__(self):
            self.copies = 0

        def copy(self):
            return SimpleNamespace(of=self)

    kept, other = One(), One()
    other.reader = "another of the same"
    start = Start(kept, lambda: other)
    assert start.copied(undoes=True).of is kept
    assert start.again() is other
    assert other.reader == "reader", "rows are known by their reader"
    with pytest.raises(AssertionError), start.lent():
        pass
    start = Start(kept, None)
    start.copied(undoes=True)
    assert start.again() is kept, "what cannot be loaded is kept"


def test_an_undone_stage_leaves_the_model_before_it(alive, tmp_path):
    """Whether that was the dense model, or one that only the stage before has on disk."""
    text = RECIPE.split("passes:")[0] + (
        "passes:\n"
        "  - {pass: drop_layers, keep: [0, 1]}\n"
        "  - {pass: finetune, epochs: 1, budget: {max_drop: 0}}\n"
        "  - {pass: drop_layers, keep: [0]}\n"
    )
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    made = axkit.plan(axkit.Recipe.load("recipe.yaml"))
    budget = made.steps[1].budget.model_copy(update={"max_drop": -101.0})  # nothing can hold that
    object.__setattr__(made.steps[1], "budget", budget)
    run = axkit.apply(made)
    first, second, third = (stage.record for stage in run.stages)
    assert second.undone, "premise"
    assert second.structure == first.structure
    assert second.search == first.search
    assert not third.undone
    folders = sorted((tmp_path / "runs" / ".stages" / "copies").glob("[01]-*/model.safetensors"))
    assert len(folders) == 2
    assert folders[0].read_bytes() == folders[1].read_bytes()
