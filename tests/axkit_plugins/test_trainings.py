"""Several trainings in one process: each is what it would have been as the first."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import TrainingArguments

from axkit.anatomy.family import family_of
from axkit.axformer.prune import AxformerPrune
from axkit.ground import stopwatch
from axkit.kit.train import loop
from axkit.kit.train.marks import left_as_found
from axkit.testing import lend, reload, tiny_subject
from axkit_plugins.distill import Distill
from axkit_plugins.finetune import Finetune
from axkit_plugins.quantize.q8bert import Q8bert

SETTINGS = {"epochs": 1.0, "learning_rate": 1e-3, "precision": "bfloat16"}  # forced: not every processor has it


@contextmanager
def dtypes_seen(monkeypatch):
    """The dtypes that matrix products of layers in training mode give: torch's own function is watched."""
    seen, linear = set(), nn.functional.linear

    def watched(x, weight, bias=None):
        output = linear(x, weight, bias)
        if torch.is_grad_enabled() and weight.requires_grad:
            seen.add(output.dtype)
        return output

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "linear", watched)
        yield seen


def trained(subject, tmp_path, monkeypatch, pass_class=Finetune, **settings):
    """The dtypes of a training."""
    tools = lend(tmp_path, teacher=tiny_subject(family_of("bert")).module)
    with dtypes_seen(monkeypatch) as seen:
        pass_class().apply(subject, pass_class.Config(**SETTINGS | settings), tools)
    return seen


@pytest.mark.parametrize("pass_class", [Finetune, Distill, Q8bert])
def test_every_training_has_autocast(pass_class, tmp_path, monkeypatch):
    """The first, the second of the same module, one of its copy, of another module, and of what was on disk."""
    subject = tiny_subject(family_of("bert"))
    tokenizer = lend(tmp_path).reader
    for _ in range(3):
        assert trained(subject, tmp_path, monkeypatch, pass_class) == {torch.bfloat16}
    others = subject.copy(), tiny_subject(family_of("distilbert")), reload(subject, tokenizer)
    for other in others:
        assert trained(other, tmp_path, monkeypatch, pass_class) == {torch.bfloat16}


def test_every_training_inside_a_search_has_autocast(tmp_path, monkeypatch):
    seen = []

    def recover(subject, setting):
        seen.append(trained(subject, tmp_path, monkeypatch, Distill))
        return {}

    def priced(_, module, *__):  # time is arithmetic: a module costs its parameters
        return stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0)

    monkeypatch.setattr(stopwatch, "taken", priced)
    subject = tiny_subject(family_of("bert"))
    tools = replace(lend(tmp_path, teacher=tiny_subject(family_of("bert")).module), run=recover)
    settings = {"size": 1.5, "rounds": 3, "max_drop": 100.0, "criterion": "calibrated_loss"}
    config = AxformerPrune.Config(objective="budget", recover={"pass": "distill"}, **settings)
    AxformerPrune().apply(subject, config, tools)
    assert len(seen) >= 3
    assert seen == [{torch.bfloat16}] * len(seen)


def test_a_precision_is_of_its_training_alone(tmp_path, monkeypatch):
    """accelerate keeps the state of the process in a singleton, and the precision in the environment."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")  # as its launcher leaves it
    subject, wanted = tiny_subject(family_of("bert")), ("float32", "bfloat16", "float32", "bfloat16", "bfloat16")
    for precision in wanted:
        assert trained(subject, tmp_path, monkeypatch, precision=precision) == {getattr(torch, precision)}
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "fp16"


def test_nothing_is_left_on_the_model(tmp_path, monkeypatch):
    subject = tiny_subject(family_of("gpt2"))
    before = {name: set(vars(module)) for name, module in subject.module.named_modules()}
    cached = subject.module.config.use_cache
    trained(subject, tmp_path, monkeypatch)
    assert {name: set(vars(module)) for name, module in subject.module.named_modules()} == before
    assert subject.module.config.use_cache == cached
    subject.module.base_model.h[0].mlp.c_fc.register_forward_hook(
        lambda module, args, output: seen.append(output.dtype)
    )
    seen = []
    subject.module(input_ids=torch.tensor([[2, 5, 3]]))
    assert seen == [torch.float32]


def test_marks_of_any_name_go_and_what_was_there_stays():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].forward = mine = lambda x: x
    model[1].register_forward_hook(keep := lambda *_: None)
    with pytest.raises(KeyError), left_as_found(model):
        model.marked = model[1].forward = model[0].forward = lambda x: 2 * x
        model[1].register_forward_hook(lambda *_: None)
        model.train(False)
        raise KeyError
    assert "marked" not in vars(model)
    assert "forward" not in vars(model[1])
    assert model[0].forward is mine
    assert list(model[1]._forward_hooks.values()) == [keep]
    assert not model.training


def test_a_training_is_the_same_after_others(tmp_path, monkeypatch):
    """The second stage of an undisturbed run, and of one that found the first on disk."""
    first = tiny_subject(family_of("bert"))
    fresh = reload(first, lend(tmp_path).reader)
    trained(fresh, tmp_path, monkeypatch)
    trained(tiny_subject(family_of("distilbert")), tmp_path, monkeypatch)
    torch.rand(7)  # whatever else drew numbers
    trained(first, tmp_path, monkeypatch)
    for name, tensor in first.module.state_dict().items():
        assert torch.equal(tensor, fresh.module.state_dict()[name]), name


def test_one_of_two_gpus_is_used(tmp_path, monkeypatch):
    """A machine is faked: transformers counts its devices where it sets them up."""

    def two(arguments):
        arguments._n_gpu = 2
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(two))
    made = loop._arguments(Finetune.Config(batch_size=8), lend(tmp_path), str(tmp_path))
    assert TrainingArguments(str(tmp_path)).n_gpu == 2, "the fake does not fake"
    assert (made.n_gpu, made.train_batch_size) == (1, 8)
