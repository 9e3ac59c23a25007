from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from axkit.anatomy.family import family_of
from axkit.contract.subject import TrailStep
from axkit.ground.errors import NotApplicable, RecipeError
from axkit.kit import linear_names, stored_bits, weight_matrix
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.testing import lend, logits_of, reload, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.quantize.gptq import Gptq
from axkit_plugins.quantize.gptq import model as gptq_model
from axkit_plugins.quantize.gptq.modules import GroupLinear, expand

HERE = not Gptq.missing_packages()
needs_gptqmodel = pytest.mark.skipif(not HERE, reason="gptqmodel asks for a newer torch; see Gptq.install")


def nearest(weight, group=16):
    """Codes and scales by rounding to the nearest, without calibration."""
    padded = nn.functional.pad(weight, (0, -weight.shape[1] % group)).view(len(weight), -1, group)
    scale = (padded.abs().amax(-1) / 7).clamp_min(1e-9)
    each = scale.repeat_interleave(group, dim=1)[:, : weight.shape[1]]
    return (weight / each).round().clamp(-8, 7).to(torch.int8), scale


def by_rounding(subject, names, config, tools):
    return {name: nearest(weight_matrix(subject.module.get_submodule(name)).detach(), config.group) for name in names}


def run(subject, tmp_path, **settings):
    config = Gptq.Config(**({"group": 16} | settings))
    result = Gptq().apply(subject, config, lend(tmp_path, family=subject.family))
    subject.trail = (*subject.trail, TrailStep("gptq", "test", config.model_dump(), result.state, result.facts))
    return result


def test_a_layer_computes_what_it_stores():
    torch.manual_seed(0)
    linear, x = nn.Linear(40, 12), torch.randn(2, 5, 40)
    codes = nearest(linear.weight.detach())
    made = GroupLinear(40, 12, True, 16)
    made.fill(codes)
    made.bias = linear.bias.detach()
    assert torch.equal(made(x), nn.functional.linear(x, expand(codes, 16), linear.bias))
    assert (expand(codes, 16) - linear.weight).abs().max() <= codes[1].max() / 2 + 1e-6
    assert stored_bits(made) == 12 * (40 * 4 + 3 * 32)


def test_its_form_is_saved_and_reloads_without_the_packages(unlike_family, tmp_path, monkeypatch):
    """The calibration apart, which needs gptqmodel."""
    monkeypatch.setattr(gptq_model, "calibrate", by_rounding)
    subject, split = tiny_subject(unlike_family), tiny_split()
    dense = logits_of(subject.module, split)
    subject.carve(subject.structure.without_heads(0, [1]).without_heads(1, range(4)).without_ffn(2))
    result = run(subject, tmp_path, skip=["ffn_out"])
    assert result.facts["linear_layers"] == len(result.state["linear"]) > 0
    assert result.facts["weights_after_bytes"] < result.facts["weights_before_bytes"]
    assert result.facts["effective_bits_per_linear_weight"] > 4
    assert not isinstance(subject.layers[0].ffn_out, GroupLinear)
    now = logits_of(subject.module, split)
    assert (now - dense).abs().max() > 0
    assert torch.equal(logits_of(reload(subject, tiny_tokenizer()).module, split), now)


def test_a_recipe_that_names_it_is_refused_in_one_sentence_where_it_cannot_run(monkeypatch, workplace):
    monkeypatch.setattr(Gptq, "missing_packages", classmethod(lambda cls: ["gptqmodel 7.7"]))
    text = (workplace / "recipe.yaml").read_text().replace("pass: int8\n    budget: {max_drop: 50}", "pass: gptq")
    with pytest.raises(RecipeError) as told:
        plan(read_source(text, "r.yaml"))
    (sentence,) = told.value.faults
    assert "pass 'gptq' needs gptqmodel 7.7, which is not installed" in sentence
    assert "pip install --no-deps gptqmodel==7.7.0" in sentence
    assert "int4_vsq needs neither" in sentence


@pytest.mark.parametrize(("name", "found"), [("optimum", "2.4.0"), ("gptqmodel", "7.70.1"), ("gptqmodel", "6.0.0")])
def test_versions_that_it_was_not_run_with_count_as_missing(name, found, monkeypatch):
    versions = {"optimum": "2.3.0", "gptqmodel": "7.7.0"}
    monkeypatch.setattr("axkit_plugins.quantize.gptq.version", lambda package: versions[package])
    assert not Gptq.missing_packages()
    versions[name] = found
    assert Gptq.missing_packages() == [f"{name} {'2.3' if name == 'optimum' else '7.7'}"]


@pytest.mark.parametrize(("name", "why"), [("vit", "reads pixels"), ("deberta-v2", "first argument alone")])
def test_what_optimum_cannot_run_is_refused_when_planned(name, why):
    with pytest.raises(NotApplicable, match=f"{why}.*; use int4_vsq"):
        Gptq().check(family_of(name), Gptq.Config())


@needs_gptqmodel
@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "gpt2", "modernbert", "albert"])
def test_calibrated_is_nearer_than_rounded(name, tmp_path, monkeypatch):
    family = family_of(name)
    Gptq().check(family, Gptq.Config())
    subject, split = tiny_subject(family), tiny_split(40, 1)
    dense, plain = logits_of(subject.module, split), subject.copy()
    config = dict(vars(subject.module.config))
    run(subject, tmp_path, rows=40)
    assert vars(subject.module.config) == config, "optimum's marks stay on its copy"
    now = logits_of(subject.module, split)
    assert torch.equal(logits_of(reload(subject, tiny_tokenizer()).module, split), now)
    monkeypatch.setattr(gptq_model, "calibrate", by_rounding)
    run(plain, tmp_path)
    rounded = logits_of(plain.module, split)
    assert (now - dense).square().mean() < (rounded - dense).square().mean()


@needs_gptqmodel
def test_calibration_after_pruning(tmp_path):
    subject, split = tiny_subject(family_of("bert")), tiny_split()
    n = subject.structure.without_heads(0, [1]).without_heads(1, range(4)).without_layer(2).change(0, hard_k=3)
    subject.carve(n)
    before = copy.deepcopy(subject.module)
    result = run(subject, tmp_path, skip=["query"])
    names = linear_names(subject, [])
    assert [name for name in names if name.endswith("query")], "they stayed linear layers"
    assert torch.equal(before.bert.encoder.layer[0].attention.self.query.weight, subject.layers[0].query.weight)
    assert result.facts["linear_layers"] == 5 + 2
    assert torch.isfinite(logits_of(subject.module, split)).all()
