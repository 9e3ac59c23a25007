from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

import axkit
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.rehearsal import rehearsed
from axkit.axformer.bench.workbench import workbench
from axkit.axformer.prune import AxformerPrune
from axkit.contract.subject import TrailStep
from axkit.kit.inputs import KEY
from axkit.run.recipe import read_source
from axkit.testing import lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.quantize.int8 import Int8
from axkit_plugins.quantize.int8.modules import Int8Linear
from axkit_plugins.quantize.q8bert import Q8bert
from axkit_plugins.quantize.q8bert.fake import fake_quantized, rounded_inputs, rounded_rows


def test_rounding_and_its_gradient():
    x = torch.tensor([-3.0, -0.5, 0.0, 0.3, 5.0], requires_grad=True)
    y = rounded_inputs(x, 2.0)
    step = 4 / 255
    assert (y - x.clamp(-2, 2)).abs().max() <= step
    assert torch.allclose(y / step, (y / step).round(), atol=1e-4)
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    weight = torch.randn(3, 8, requires_grad=True)
    rounded_rows(weight).sum().backward()
    assert weight.grad.eq(1).all()


def test_a_fake_layer_computes_what_int8_will():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 16))
    x = torch.randn(9, 32)
    with fake_quantized(model, ["0"], True, 0.9) as largest:
        model.train()(x)
        fake = model.eval()(x)
    assert largest["0"] == x.abs().max()
    int8 = Int8Linear.from_float(model[0], (-largest["0"], largest["0"]))
    assert (int8(x) - fake).abs().max() < 0.02 * fake.abs().max()
    assert torch.equal(model(x), nn.functional.linear(x, model[0].weight, model[0].bias))


def test_moving_average():
    model = nn.Sequential(nn.Linear(2, 2)).train()
    with fake_quantized(model, ["0"], False, 0.75) as largest:
        model(torch.tensor([[1.0, -2.0]]))
        model(torch.tensor([[1.0, 0.0]]))
        assert largest["0"] == pytest.approx(0.75 * 2 + 0.25 * 1)
        model.eval()(torch.tensor([[100.0, 0.0]]))
    assert largest["0"] == pytest.approx(1.75)


def trained(family, tmp_path, **settings):
    subject = tiny_subject(family)
    before = {name: tensor.clone() for name, tensor in subject.module.state_dict().items()}
    config = Q8bert.Config(**({"epochs": 2.0, "learning_rate": 1e-3} | settings))
    result = Q8bert().apply(subject, config, lend(tmp_path))
    subject.trail = (TrailStep("q8bert", "test", config.model_dump(), result.state, result.facts),)
    changed = {n for n, t in subject.module.state_dict().items() if not torch.equal(t, before[n])}
    return subject, changed, result


def test_trains_and_leaves_a_plain_float_model(unlike_family, tmp_path):
    subject, changed, result = trained(unlike_family, tmp_path)
    names = {id(module): name for name, module in subject.module.named_modules()}
    for module in (subject.module.get_input_embeddings(), subject.layers[0].ffn_in):
        assert f"{names[id(module)]}.weight" in changed
    linear = [n for n, m in subject.module.named_modules() if isinstance(m, nn.Linear | Conv1D)]
    assert set(result.state["activation_ranges"]) == set(linear)
    assert all("forward" not in module.__dict__ for module in subject.module.modules())
    assert not [m for m in subject.module.modules() if m._forward_hooks]


def test_int8_takes_the_learned_ranges_through_a_folder(unlike_family, tmp_path):
    subject, _, result = trained(unlike_family, tmp_path, skip=["head"])
    again = reload(subject, tiny_tokenizer())
    split = tiny_split()
    assert torch.equal(logits_of(again.module, split), logits_of(subject.module, split))
    tools = lend(tmp_path)
    config = Int8.Config()
    done = Int8().apply(again, config, tools)
    assert done.facts["static_layers"] == (12 if unlike_family.fused_qkv else 18)
    assert done.facts["linear_layers"] > done.facts["static_layers"]
    layer = again.layers[1].ffn_in
    name = next(n for n, m in again.module.named_modules() if m is layer)
    high = result.state["activation_ranges"][name][1]
    assert float(layer.input_scale) == pytest.approx(2 * high / 255)
    assert tools.search.evaluate(again.module).loss == pytest.approx(result.facts["search_loss_rounded_nats"], rel=0.05)
    again.trail = (*again.trail, TrailStep("int8", "test", config.model_dump(), done.state, done.facts))
    once_more = reload(again, tiny_tokenizer())
    torch.testing.assert_close(logits_of(once_more.module, split), logits_of(again.module, split))


def test_a_search_decides_on_the_rounded_model(unlike_family, tmp_path):
    subject, _, result = trained(unlike_family, tmp_path)
    plain = {name: tensor.clone() for name, tensor in subject.module.state_dict().items()}
    rounded = rehearsed(subject)
    split, tools = tiny_split(), lend(tmp_path)
    loss = tools.search.evaluate(rounded.module).loss
    assert loss == pytest.approx(result.facts["search_loss_rounded_nats"], rel=1e-4)
    found = AxformerPrune().apply(subject.copy(), AxformerPrune.Config(), tools)
    assert found.facts["search_loss_before_nats"] == pytest.approx(loss, rel=1e-4)

    assert all(torch.equal(plain[name], tensor) for name, tensor in subject.module.state_dict().items())
    float_logits = logits_of(subject.module, split)
    Int8().apply(subject, Int8.Config(), tools)
    of_int8 = logits_of(subject.module, split)
    off = (logits_of(rounded.module, split) - of_int8).abs().mean()  # where a value is halfway it may round either way
    assert off < 0.2 * (float_logits - of_int8).abs().mean()


def test_a_search_takes_the_latest_ranges_and_a_timed_one_none(plain_family, tmp_path):
    subject, _, _ = trained(plain_family, tmp_path)
    first, rows = subject.trail[0], lend(tmp_path).search
    wider = {name: [4 * low, 4 * high] for name, (low, high) in first.state[KEY].items()}
    subject.trail = (first, replace(first, state={KEY: wider}))
    (hook,) = rehearsed(subject).layers[0].query._forward_pre_hooks.values()
    name = next(n for n, m in subject.module.named_modules() if m is subject.layers[0].query)
    assert hook.high == wider[name][1]
    timed = workbench(subject, rows, Shelf(0), rehearse=False).subject
    assert not timed.layers[0].query._forward_pre_hooks
    rounded = rehearsed(subject.copy())
    subject.module.to(torch.bfloat16)
    assert rounded.layers[0].query._forward_pre_hooks
    assert not rehearsed(subject).layers[0].query._forward_pre_hooks  # int8 cannot follow


def test_a_last_layer_of_one_token_is_rounded_too(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    subject.carve(replace(subject.structure, first_token_only=True))
    config = Q8bert.Config(epochs=2.0, learning_rate=1e-3)
    result = Q8bert().apply(subject, config, lend(tmp_path))
    subject.trail = (TrailStep("q8bert", "test", config.model_dump(), result.state, result.facts),)
    loss = lend(tmp_path).search.evaluate(rehearsed(subject).module).loss
    assert result.facts["search_loss_rounded_nats"] == pytest.approx(loss, rel=1e-4)


def test_what_is_cut_from_a_rounded_model_still_rounds(plain_family, tmp_path):
    subject, _, _ = trained(plain_family, tmp_path)
    then = subject.structure.without_heads(0, [1]).without_neurons(1, range(8))
    rounded = rehearsed(subject)
    for one in (subject, rounded):
        one.carve(then)
    Int8().apply(subject, Int8.Config(), lend(tmp_path))
    # rows that are left keep their scale; where columns went a row may get a finer one
    for layer, role in ((0, "query"), (1, "ffn_in")):
        fake, int8 = getattr(rounded.layers[layer], role), getattr(subject.layers[layer], role)
        x = torch.randn(50, int8.in_features)
        assert (fake(x) - int8(x)).abs().mean() < 0.01 * int8(x).abs().mean()
    assert rounded.layers[0].attention_out._forward_pre_hooks


def test_a_pruned_model_trains(unlike_family, tmp_path):
    subject = tiny_subject(unlike_family)
    n = subject.structure
    subject.carve(n.without_heads(0, range(4)).without_heads(1, [2]).without_neurons(1, range(24)).without_layer(2))
    result = Q8bert().apply(subject, Q8bert.Config(epochs=1.0), lend(tmp_path))
    done = Int8().apply(subject, Int8.Config(activations="static"), lend(tmp_path))
    assert result.facts["steps"] == 2
    assert done.facts["static_layers"] == done.facts["linear_layers"]


def test_a_recipe(workplace):
    text = """\
axkit: 1
name: aware
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
passes:
  - {pass: finetune, epochs: 6, learning_rate: 3e-3, batch_size: 16}
  - {pass: q8bert, epochs: 2, learning_rate: 1e-3, batch_size: 16}
  - {pass: int8, budget: {max_drop: 100}}
"""
    run = axkit.apply(read_source(text, "r.yaml"), runs="runs")
    assert not run.stages[2].record.undone
    assert run.stages[2].record.told.facts["static_layers"] > 0
