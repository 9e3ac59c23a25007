"""Shared fixtures: tiny models, tiny data in files, no network."""
# ruff: noqa: E402

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("AXKIT_INT8_KERNEL", "usual")  # no test goes by what a clock says

import checkout

checkout.register()  # before anything of axkit looks for what is installed

import torch
from command import axkit

from axkit.anatomy.family import family_of
from axkit.finished import door, verify
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import save
from axkit.runtimes.torch.body import torch_subject
from axkit.tasks.about import About
from axkit.testing import tiny_model, tiny_reader, tiny_tokenizer

FAMILIES = ("albert", "bert", "deberta-v2", "distilbert", "gpt2", "modernbert", "roberta", "vit")
UNLIKE = ("bert", "gpt2", "modernbert")  # each projection apart; Conv1D, fused; fused, gated, with rotations
# the same data under another name, or with what the tests of surgery and saving see: not every test needs them
ALIKE = ("camembert", "electra", "mpnet", "xlm-roberta")

torch.set_num_threads(1)  # tiny matrices: a second thread only waits


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("network"):
        return

    real, loopback = socket.socket.connect, request.node.get_closest_marker("loopback")

    def refuse(self: socket.socket, address: Any) -> None:
        if loopback and (self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost")):
            return real(self, address)
        raise OSError("tests have no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest):
    return family_of(request.param)


@pytest.fixture(params=UNLIKE)
def unlike_family(request: pytest.FixtureRequest):
    """For what depends on how a family writes its layers, where all of them would take too long."""
    return family_of(request.param)


@pytest.fixture(params=("bert", "distilbert"))
def plain_family(request: pytest.FixtureRequest):
    """For what depends on the family hardly at all."""
    return family_of(request.param)


@pytest.fixture(params=FAMILIES + ALIKE)
def any_family(request: pytest.FixtureRequest):
    return family_of(request.param)


def write_base_model(folder: Path, name: str = "distilbert") -> Path:
    """A tiny pretrained encoder without a head, and its tokenizer."""
    model = tiny_model(family_of(name)).base_model
    with quiet():
        model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def write_trained_model(folder: Path, name: str = "distilbert") -> Path:
    """The same with a head for the labels of ``write_rows``."""
    model = tiny_model(family_of(name), id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1})
    with quiet():
        model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def folder_of(path, head="SequenceClassification", about=None, family="bert", **settings):
    """A checkpoint from elsewhere; of axkit where ``about`` is given."""
    module, reader = tiny_model(family_of(family), head=head, **settings), tiny_reader(family_of(family))
    path.mkdir()
    if about is None:
        with quiet():
            module.save_pretrained(path)
        reader.save_pretrained(path)
    else:
        save(torch_subject(module), reader, path, About(**about))
    return module


def write_rows(path: Path, rows: int, seed: int = 0) -> Path:
    """Sentences whose label says whether 'good' or 'bad' stands in them."""
    import random

    draw = random.Random(seed)
    words = ["the", "film", "play", "story", "dull", "bright", "is", "was", "very", "and", "so"]
    with path.open("w", encoding="utf-8") as file:
        for index in range(rows):
            label = index % 2
            text = [draw.choice(words) for _ in range(draw.randint(3, 10))] + ["good" if label else "bad"]
            draw.shuffle(text)
            file.write(json.dumps({"sentence": " ".join(text), "label": label}) + "\n")
    return path


def write_images(folder: Path, count: int, seed: int = 0) -> Path:
    """Noise of 10 x 14 pixels, dark or light, in a folder for each."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed)
    for index in range(count):
        low, label = ((0, "dark"), (100, "light"))[index % 2]
        path = folder / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(low, low + 156, (10, 14, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command, run in this process: (exit code, stdout, stderr)."""
    return lambda *arguments: axkit(*arguments, monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny model, data files and a recipe; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    write_base_model(tmp_path / "model")
    write_rows(tmp_path / "train.jsonl", 160, 1)
    write_rows(tmp_path / "test.jsonl", 60, 2)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


class Heard:
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def track(self, items, what, total=None):
        yield from items

    def say(self, text: str) -> None:
        self.lines.append(text)

    def count(self, part: str) -> int:
        """How many of the lines hold a part."""
        return sum(part in line for line in self.lines)


HEAD = """\
axkit: 1
name: tiny
model: model
task:
  kind: classification
  files: {train: train.jsonl, test: test.jsonl}
  text: sentence
  label: label
passes:
"""  # of a recipe on a tiny model; its passes follow
RECIPE = (
    HEAD
    + """\
  - pass: finetune
    epochs: 12
    learning_rate: 3e-3
    batch_size: 16
  - pass: hard_attention
    k: 5
  - pass: axformer_prune
  - pass: int8
    budget: {max_drop: 50}
"""
)


@pytest.fixture
def axkit_in_here(monkeypatch):
    """axkit's door of verify without a process of its own, which takes seconds; other doors and scripts have theirs."""
    real = subprocess.run

    def run(command, **options):
        if "-m" not in command:
            return real(command, **options)
        door.main(*command[-3:])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(verify.subprocess, "run", run)
