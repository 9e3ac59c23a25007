"""Hidden states and attention scores of paired layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.kit.train.layer_map import layer_map
from axkit.kit.train.watching import Pairs
from axkit.testing import lend, logits_of, tiny_subject
from axkit_plugins.distill import Distill


@pytest.mark.parametrize("rows", [range(8), [0]], ids=["padded", "whole"])
@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2", "modernbert"])
def test_recorded_scores_are_those_that_attention_is_made_of(name, rows, tmp_path):
    subject = tiny_subject(family_of(name))
    batch = lend(tmp_path).train.batch(rows)
    pairs = Pairs(subject, subject, {0: 0, 2: 2}, hidden=True, attention=True)
    before = logits_of(subject.module, lend(tmp_path).train)
    with torch.inference_mode(), pairs.watched("student") as seen:
        subject.module(**batch.inputs)
    assert torch.equal(logits_of(subject.module, lend(tmp_path).train), before), "attention is as it was"
    subject.module.set_attn_implementation("eager")
    with torch.inference_mode():
        eager = subject.module(**batch.inputs, output_attentions=True, output_hidden_states=True)
    real = batch.inputs["attention_mask"].bool()
    for layer in (0, 2):
        (scores,) = seen.scores[layer]
        probabilities = scores.values.masked_fill(~scores.seen, float("-inf")).softmax(-1)
        wanted = eager.attentions[layer]
        at = real[:, None, :, None].expand_as(wanted)
        assert torch.allclose(probabilities[at], wanted[at], atol=1e-5)
    assert torch.allclose(seen.hidden[0][0][real], eager.hidden_states[1][real], atol=1e-5)


def test_watching_one_model_leaves_transformers_and_others_alone(tmp_path):
    """Whatever another thread computes meanwhile, it asks for functions that are nobody's but transformers' own."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as FUNCTIONS

    subject, other = (tiny_subject(family_of("bert")) for _ in range(2))
    batch = lend(tmp_path).train.batch(range(4))
    stock, configs = FUNCTIONS["sdpa"], [layer.attention_core.config for layer in subject.layers]
    with torch.inference_mode(), Pairs(subject, other, {0: 0}, False, True).watched("student") as seen:
        assert FUNCTIONS["sdpa"] is stock
        other.module(**batch.inputs)
        assert not seen.scores
        subject.module(**batch.inputs)
        assert list(seen.scores) == [0]
    assert [layer.attention_core.config for layer in subject.layers] == configs
    assert all(now.attention_core.config is config for now, config in zip(subject.layers, configs, strict=True))
    assert not any(hasattr(layer.attention_core, "axkit_watch") for layer in subject.layers)


def attention_gap(structure, tmp_path, name="bert", **settings):
    """(distance of attention before, after training on it alone, subject)."""
    subject, teacher = (tiny_subject(family_of(name), 0) for _ in range(2))
    subject.carve(structure(subject.structure))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in subject.module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    tools = lend(tmp_path, teacher=teacher.module, rows=64)
    batch = tools.train.batch(range(32))
    layers = layer_map(subject.structure, teacher.structure, settings.get("layers"))
    pairs = Pairs(subject, teacher, layers, hidden=False, attention=True)

    def measure():
        with torch.inference_mode(), pairs.watched("teacher") as theirs:
            teacher.module(**batch.inputs)
        with torch.inference_mode(), pairs.watched("student") as ours:
            subject.module(**batch.inputs)
        return float(pairs.attention_distance(ours, theirs, batch.inputs["attention_mask"]))

    before = measure()
    config = Distill.Config(
        soft=0.0, attention=1.0, epochs=6.0, learning_rate=2e-3, precision="float32", batch_size=16, **settings
    )
    facts = Distill().apply(subject, config, tools).facts
    return before, measure(), subject, facts


@pytest.mark.parametrize(
    "structure",
    [
        lambda s: s,
        lambda s: s.without_heads(0, [1, 2]).without_attention(1),
        lambda s: replace(s.without_heads(2, [0]).change(0, hard_k=3), first_token_only=True),
        lambda s: s.without_layer(1),
    ],
    ids=["dense", "heads and a block gone", "hard, first token alone", "a layer gone"],
)
def test_attention_of_the_heads_that_are_left(structure, tmp_path):
    before, after, subject, facts = attention_gap(structure, tmp_path)
    assert after < 0.8 * before
    there = [layer for layer in subject.structure.layers if layer.heads]
    assert facts["compared_layers"] == len(there)


@pytest.mark.parametrize("name", ["albert", "modernbert", "vit"])
def test_layers_of_other_architectures(name, tmp_path):
    """One layer called many times; fused, in windows; images, which nothing pads."""
    family = family_of(name)
    subject, teacher = tiny_subject(family, 1), tiny_subject(family, 0)
    tools = lend(tmp_path, teacher=teacher.module, rows=16, family=family)
    batch = tools.train.batch(range(16))
    pairs = Pairs(subject, teacher, layer_map(subject.structure, teacher.structure), hidden=True, attention=True)
    config = Distill.Config(soft=0.0, hidden=1.0, attention=1.0, epochs=6.0, learning_rate=2e-3, precision="float32")

    def measure():
        with torch.inference_mode(), pairs.watched("teacher") as theirs:
            teacher.module(**batch.inputs)
        with torch.inference_mode(), pairs.watched("student") as ours:
            subject.module(**batch.inputs)
        mask = batch.inputs.get("attention_mask")
        apart = [float((a - b).square().mean()) for a, b in pairs.hidden_pairs(ours, theirs, mask)]
        return len(apart), sum(apart) / len(apart) + float(pairs.attention_distance(ours, theirs, mask))

    calls, before = measure()
    assert calls == 3
    Distill().apply(subject, config, tools)
    assert measure()[1] < before


def test_heads_are_compared_by_their_place_in_the_dense_model(tmp_path):
    family = family_of("bert")
    subject, teacher = tiny_subject(family), tiny_subject(family)
    subject.carve(subject.structure.without_heads(0, [0, 2]))  # the first layer reads the same in both
    batch = lend(tmp_path).train.batch(range(8))
    pairs = Pairs(subject, teacher, {0: 0}, hidden=False, attention=True)
    assert pairs.heads[0].theirs == [1, 3]
    with torch.inference_mode(), pairs.watched("teacher") as theirs:
        teacher.module(**batch.inputs)
    with torch.inference_mode(), pairs.watched("student") as ours:
        subject.module(**batch.inputs)
    assert float(pairs.attention_distance(ours, theirs, batch.inputs["attention_mask"])) < 1e-8


def test_a_student_of_every_second_layer_learns_from_the_layers_between(tmp_path):
    """DistilBERT's student: drop_layers before distill; the declared map is the default one."""
    seen = {}
    for layers in (None, {0: 1, 2: 2}, {0: 0, 2: 1}):
        teacher, subject = (tiny_subject(family_of("bert"), 0) for _ in range(2))
        subject.carve(subject.structure.without_layer(1))
        tools = lend(tmp_path / str(len(seen)), teacher=teacher.module, rows=32)
        config = Distill.Config(
            soft=0.0, hidden=1.0, layers=layers, epochs=2.0, batch_size=8, learning_rate=1e-3, precision="float32"
        )
        assert Distill().apply(subject, config, tools).facts["compared_layers"] == 2
        seen[str(layers)] = logits_of(subject.module, tools.train)
        assert tools.journal.read()[0]["layers"] == [list(p) for p in (layers or {0: 1, 2: 2}).items()]
    first, same, other = seen.values()
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
