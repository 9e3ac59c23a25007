"""``axkit eval``: a model on some rows, beside the best constant, and beside another model by a paired test."""

from __future__ import annotations

import json

import pytest
from command import axkit, refused
from conftest import write_rows

from axkit.anatomy.family import family_of
from axkit.finished.score import dense_of, evaluate
from axkit.ground.errors import AxkitError
from axkit.ground.quiet import quiet
from axkit.tasks.about import About
from axkit.testing import tiny_model, tiny_tokenizer

TASK = {"kind": "classification", "text": "sentence", "label": "label"}


def write_model(folder, seed, bias=None, names=("0", "1")):
    """A model of random weights; with a bias, one that gives every row the same answer."""
    import torch

    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    model = tiny_model(family_of("distilbert"), seed, **labels)
    if bias is not None:
        with torch.no_grad():
            model.classifier.bias.copy_(torch.tensor(bias))
    if names == ("1", "0"):  # the same answers, numbered the other way round
        with torch.no_grad():
            for tensor in (model.classifier.weight, model.classifier.bias):
                tensor.copy_(tensor.flip(0))
    with quiet():
        model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    for name, rows in (("train", 60), ("test", 45)):
        write_rows(tmp_path / f"{name}.jsonl", rows)
    return tmp_path


@pytest.fixture
def task():
    return {**TASK, "files": {"train": "train.jsonl", "test": "test.jsonl"}}


def test_beside_the_best_constant(place, task):
    found = evaluate(write_model(place / "one", 0, bias=(1e4, 0.0)), task)
    assert found.constant == pytest.approx(100 * 23 / 45)
    assert found.constant_answer == "'0'"
    assert found.answers_only == "'0'"
    assert found.score == found.constant
    assert found.paired is None


def test_beside_another_model(place, task):
    one, other = write_model(place / "one", 0), write_model(place / "other", 1)
    found = evaluate(one, task, against=other)
    assert found.against == evaluate(other, task).score
    assert found.paired.change == pytest.approx(found.score - found.against)
    assert found.paired.low <= found.paired.change <= found.paired.high
    same = evaluate(one, task, against=one)
    assert (same.paired.change, same.paired.p) == (0, 1)


def test_another_order_of_labels_is_the_same_model(place, task):
    one, turned = write_model(place / "one", 0), write_model(place / "turned", 0, names=("1", "0"))
    found = evaluate(one, task, against=turned)
    assert 0 < found.score < 100, "the premise: a model with both answers"
    assert found.against == found.score
    assert (found.paired.low, found.paired.high, found.paired.p) == (0, 0, 1)


def test_the_command(place, task, monkeypatch, capsys):
    def run(*arguments):
        return axkit("eval", *arguments, monkeypatch=monkeypatch, capsys=capsys)

    one, other = write_model(place / "one", 0, bias=(0.0, 1e4)), write_model(place / "other", 1)
    monkeypatch.setattr("axkit.finished.score.about_of", lambda folder: About(task=task, recipe="r"))
    code, out, _ = run(str(one))
    assert code == 0
    assert "One and the same answer to every row scores 51.11 at best: '0'." in out
    assert "The model gives all 45 rows the same answer: '1'." in out
    assert "Its dense model is not at hand: compare with one by --against FOLDER." in out
    code, out, _ = run(str(one), "--against", str(other))
    assert code == 0
    assert f"Against {other} (" in out
    assert "paired p" in out
    assert "no difference that chance would not explain" in out
    refused(run(str(one), "--against", "nowhere"), "nowhere")


def test_the_dense_model_of_a_run_is_found_where_its_stages_are(place, monkeypatch):
    monkeypatch.setattr("axkit.finished.score.about_of", lambda folder: About(recipe="r"))
    run = place / "runs" / "r"
    run.mkdir(parents=True)
    assert dense_of(run) is None
    (run / "report.json").write_text(json.dumps({"summary": {"dense_stage": "0-finetune-abc"}}))
    assert dense_of(run) is None, "the stages are gone"
    stage = write_model(place / "runs" / ".stages" / "r" / "0-finetune-abc", 0)
    assert dense_of(run) == stage
    (stage / "model.safetensors").write_bytes(b"damaged")
    assert dense_of(run) is None
    (run / "report.json").write_text(json.dumps({"summary": {}}))
    assert dense_of(run) is None, "a report of an earlier axkit"


def test_models_of_other_labels_are_refused(place, task):
    one, other = write_model(place / "one", 0), write_model(place / "other", 0, names=("a", "b"))
    with pytest.raises(AxkitError, match="labels"):
        evaluate(one, task, against=other)


def test_a_damaged_folder_is_told_as_that_before_a_task_is_asked_for(place):
    folder = write_model(place / "whole", 1)
    with pytest.raises(AxkitError, match="says nothing of a task; name one with --task"):
        evaluate(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layers": config["n_layers"] - 1}))
    with pytest.raises(AxkitError, match="n_layers"):
        evaluate(folder)
