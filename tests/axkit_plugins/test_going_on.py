"""Trainings that are killed between two steps, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.ground.progress import Silent
from axkit.kit.train import checkpoints, resume
from axkit.testing import lend, tiny_subject
from axkit_plugins.distill import Distill
from axkit_plugins.finetune import Finetune
from axkit_plugins.quantize.q8bert import Q8bert

OFTEN = 1e-6  # seconds between checkpoints: one before every step
STEPS = 9  # of 40 rows, in batches of 16, three epochs


class Killed(BaseException):
    """As little expected by the code as a signal."""


class Until(Silent):
    """Ends a training before one of its steps, and remembers what it was told."""

    def __init__(self, step: int | None) -> None:
        self.step, self.said, self.seen = step, [], 0

    def track(self, items, what, total=None):
        for done, item in enumerate(items):
            if what == "training":
                self.seen = done
                if done == self.step:
                    raise Killed
            yield item

    def say(self, text):
        self.said.append(text)


@pytest.fixture(autouse=True)
def _each_step(monkeypatch):
    monkeypatch.setattr(resume, "_COST", 0)


def trained(tmp_path, pass_class=Finetune, stop=None, scratch="kept", **settings):
    """(weights by name, result, what was said) of a training that ends before step ``stop``, or does not."""
    family = family_of("bert")
    progress = Until(stop)
    tools = lend(tmp_path, teacher=tiny_subject(family, 3).module)
    tools = replace(tools, progress=progress, scratch=tmp_path / scratch if scratch else None)
    subject = tiny_subject(family)
    torch.rand(3)  # whatever else the process has drawn
    config = pass_class.Config(
        **{"epochs": 3.0, "learning_rate": 1e-3, "batch_size": 16, "checkpoint": OFTEN} | settings
    )
    result = pass_class().apply(subject, config, tools)
    return subject.module.state_dict(), result, progress.said


def same(found, wanted):
    assert found.keys() == wanted.keys()
    return all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize(
    ("pass_class", "settings"),
    [
        (Finetune, {}),
        (Finetune, {"freeze": "embeddings", "precision": "bfloat16"}),
        (Distill, {}),
        (Distill, {"hidden": 1.0, "attention": 1.0}),
        (Q8bert, {}),
    ],
)
def test_a_killed_training_ends_as_an_undisturbed_one(pass_class, settings, tmp_path):
    """Killed within an epoch, at its end, and again in what went on."""
    wanted, result, _ = trained(tmp_path, pass_class, scratch=None, **settings)
    for stop in (2, 3, 7):
        with pytest.raises(Killed):
            trained(tmp_path, pass_class, stop, **settings)
    found, again, said = trained(tmp_path, pass_class, **settings)
    assert said == ["   Going on from a checkpoint after 6 steps"]
    assert same(found, wanted)
    assert again.state == result.state
    timeless = [{k: v for k, v in one.facts.items() if k != "train_s"} for one in (result, again)]
    assert timeless[0] == timeless[1]
    assert timeless[0]["steps"] == STEPS


def test_a_training_that_was_over_is_not_computed_again(tmp_path, monkeypatch):
    wanted, result, _ = trained(tmp_path, Q8bert)
    monkeypatch.setattr("transformers.Trainer.compute_loss", None)
    found, again, said = trained(tmp_path, Q8bert)
    assert said == [f"   Going on from a checkpoint after {STEPS} steps"]
    assert same(found, wanted)
    assert again.facts["train_loss"] == result.facts["train_loss"]
    assert again.facts["train_s"] > result.facts["train_s"]  # time is counted, that of both runs
    assert again.state == result.state


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "cannot be read"),
        (lambda data: b"", "cannot be read"),
        (lambda data: b"\xff" * 40, "cannot be read"),
        (lambda data: data.replace(b'"axkit_training"', b'"axkit_drilling"'), "cannot be read"),
        (lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], "not those that were written"),
    ],
)
def test_a_damaged_checkpoint_is_set_aside(damage, reason, tmp_path):
    wanted, _, _ = trained(tmp_path, scratch=None)
    with pytest.raises(Killed):
        trained(tmp_path, stop=4)
    path = tmp_path / "kept" / checkpoints.FILE
    path.write_bytes(damaged := damage(path.read_bytes()))
    found, _, said = trained(tmp_path)
    assert len(said) == 1
    assert reason in said[0]
    assert str(aside := path.with_name(checkpoints.DAMAGED)) in said[0]
    assert aside.read_bytes() == damaged
    assert same(found, wanted)


@pytest.mark.parametrize("other", [{"learning_rate": 2e-3}, {"epochs": 2.0}, {"precision": "bfloat16"}])
def test_a_checkpoint_of_another_training_is_not_gone_on_from(other, tmp_path):
    settings = {"precision": "float32"}
    with pytest.raises(Killed):
        trained(tmp_path, stop=4, **settings)
    found, _, said = trained(tmp_path, **settings | other)
    assert "it is of another training" in said[0]
    assert same(found, trained(tmp_path, scratch=None, **settings | other)[0])


def test_other_weights_are_another_training():
    one, two = tiny_subject(family_of("bert"), 0).module, tiny_subject(family_of("bert"), 1).module
    assert checkpoints.fingerprint(one, {"a": 1}) == checkpoints.fingerprint(one, {"a": 1})
    assert checkpoints.fingerprint(one, {"a": 1}) != checkpoints.fingerprint(one, {"a": 2})
    assert checkpoints.fingerprint(one) != checkpoints.fingerprint(two)


def test_a_disk_that_refuses_costs_the_checkpoint_alone(tmp_path):
    wanted, _, _ = trained(tmp_path, scratch=None)
    (tmp_path / "kept").write_text("a file where the folder should be")
    found, _, said = trained(tmp_path)
    assert same(found, wanted)
    assert all("No checkpoint of the training" in line for line in said)
    assert len(said) == 1


def test_none_is_written_where_none_is_wanted(tmp_path):
    _, _, said = trained(tmp_path, checkpoint=0.0)
    assert not (tmp_path / "kept").exists()
    assert not said


def test_a_short_training_writes_nothing(tmp_path):
    """Its premise: nine tiny steps take less than ten seconds."""
    _, result, _ = trained(tmp_path, checkpoint=60.0)
    assert result.facts["train_s"] < 10, "this machine is too slow for the premise of this test"
    assert not (tmp_path / "kept").exists()


def test_randomness_comes_back():
    import random

    import numpy as np

    def drawn():
        return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(2).tolist()]

    random.gauss(0, 1), np.random.randn()  # both keep a second number for the next time
    state = json.loads(json.dumps(asdict(checkpoints.Randomness.now())))
    first = drawn()
    assert drawn() != first
    checkpoints.Randomness(**state).set()
    assert drawn() == first


RECIPE = """
axkit: 1
name: killed
model: model
task:
  kind: classification
  files: {train: train.jsonl, search: test.jsonl, test: test.jsonl}
  text: sentence
  label: label
passes:
  - {pass: finetune, epochs: 2, learning_rate: 3e-3, batch_size: 16, checkpoint: 1e-6}
  - pass: axformer_prune
    objective: budget
    size: 1.3
    rounds: 2
    max_drop: 100
    recover: {pass: distill, epochs: 1, learning_rate: 1e-3, batch_size: 16, checkpoint: 1e-6}
"""
# the command, with a signal before the n-th step that any training of it computes
KILLED = """
import os, signal, sys
from transformers import Trainer
from axkit.kit.train import resume
resume._COST, left, compute = 0, int(sys.argv[1]), Trainer.training_step
def step(*args, **kwargs):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return compute(*args, **kwargs)
Trainer.training_step = step
from axkit.__main__ import main
del sys.argv[1]
main()
"""


def result(folder: Path):
    """The weights of a run folder, and its journal without what a clock said."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    timeless = [{k: v for k, v in line.items() if k not in ("seconds", "ratio", "speedup")} for line in lines]
    return (folder / "model.safetensors").read_bytes(), timeless


@pytest.mark.slow
def test_kill_9_in_trainings_and_in_those_of_a_search(workplace):
    """20 steps, then at least two times 10 in the search; the search goes by size alone, so no clock decides."""
    (workplace / "recipe.yaml").write_text(RECIPE, encoding="utf-8")

    said = []

    def run(name: str, kill: int) -> int:
        command = [sys.executable, "-c", KILLED, str(kill), "apply", "recipe.yaml", "--out", name]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
        said.append(done.stdout + done.stderr)
        if done.returncode:
            assert list((workplace / name).glob(f".stages/**/{checkpoints.FILE}"))
        return done.returncode

    assert run("undisturbed", 0) == 0
    kills = [run("killed", kill) for kill in (9, 25)]  # finetune's; 12 steps end it, 10 the first round's
    assert kills == [-signal.SIGKILL] * 2
    assert run("killed", 0) == 0
    assert ["Going on from a checkpoint after" in one for one in said] == [False, False, True, True]
    assert "Going on from a checkpoint after 2 steps" in said[-1], "of the second round's training"
    weights, journals = zip(*(result(workplace / name / "killed") for name in ("undisturbed", "killed")), strict=True)
    assert weights[0] == weights[1]
    assert journals[0] == journals[1]
