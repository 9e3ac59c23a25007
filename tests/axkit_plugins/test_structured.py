from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from axkit.anatomy.family import family_of
from axkit.ground.errors import NotApplicable
from axkit.testing import lend, logits_of, reload, tiny, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.structured import Structured, parts, score


def run(subject, tmp_path, **settings):
    return Structured().apply(subject, Structured.Config(**settings), lend(tmp_path))


def scores(subject, tmp_path, **settings):
    return score.score(subject, Structured.Config(**({"ratio": 0.3} | settings)), lend(tmp_path))


def test_magnitude_is_the_sum_of_squared_weights_of_all_that_is_coupled(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    subject.carve(subject.structure.without_heads(1, [2]).without_neurons(1, [0, 5]).without_ffn(2))
    found = scores(subject, tmp_path, importance="magnitude")
    layer = subject.layers[1]
    neurons = layer.ffn_in.weight.square().sum(1) + layer.ffn_out.weight.square().sum(0)
    np.testing.assert_allclose(found[1].neurons, neurons.detach().numpy(), rtol=1e-5)
    rows = sum(getattr(layer, role).weight.square().sum(1) for role in ("query", "key", "value"))
    heads = (rows + layer.attention_out.weight.square().sum(0)).view(3, 8).sum(1)
    np.testing.assert_allclose(found[1].heads, heads.detach().numpy(), rtol=1e-5)
    assert not len(found[2].neurons)


def test_what_else_has_rows_for_each_head_counts(tmp_path):
    subject = tiny_subject(family_of("deberta-v2"))
    found = scores(subject, tmp_path, importance="magnitude")
    layer = subject.layers[1]
    core = layer.attention_core
    rows = [layer.query, layer.key, layer.value, core.pos_key_proj, core.pos_query_proj]
    heads = sum(module.weight.square().sum(1) for module in rows) + layer.attention_out.weight.square().sum(0)
    np.testing.assert_allclose(found[1].heads, heads.view(4, 8).sum(1).detach().numpy(), rtol=1e-5)
    before = parts.size_of(subject)
    subject.carve(subject.structure.without_heads(1, [2]))
    assert before.model - parts.size_of(subject).model == before.head


@pytest.mark.parametrize(("name", "settings"), [("gpt2", {}), ("modernbert", {}), ("albert", {"what": "layers"})])
def test_what_cannot_be_followed_is_refused_when_planned(name, settings):
    with pytest.raises(NotApplicable, match=r"; (use|give) "):
        Structured().check(family_of(name), Structured.Config(ratio=0.3, **settings))


@pytest.mark.parametrize("importance", ["taylor", "fisher"])
def test_gradient_importances_by_hand(plain_family, tmp_path, importance):
    subject = tiny_subject(plain_family)
    found = scores(subject, tmp_path, importance=importance)
    layer, train = subject.layers[0], lend(tmp_path).train
    weights = [layer.ffn_in.weight, layer.ffn_out.weight]
    gradients = []
    for row in range(len(train)):
        batch = train.batch([row])
        loss = train.kind.losses(subject.module(**batch.inputs).logits, batch.labels).sum()
        gradients.append(torch.autograd.grad(loss, weights))
    for_each = [torch.stack(g) for g in zip(*gradients, strict=True)]
    if importance == "taylor":
        part = [(w * g.mean(0)).abs() for w, g in zip(weights, for_each, strict=True)]
    else:
        part = [w.square() * g.square().mean(0) for w, g in zip(weights, for_each, strict=True)]
    expected = part[0].sum(1) + part[1].sum(0)
    np.testing.assert_allclose(found[0].neurons, expected.detach().numpy(), rtol=1e-3)
    assert all(parameter.grad is None for parameter in subject.module.parameters())


@pytest.mark.parametrize("what", ["heads_and_neurons", "heads", "neurons", "layers"])
@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_about_as_much_goes_as_was_asked_never_more(plain_family, tmp_path, what, scope):
    subject = tiny_subject(plain_family)
    settings = {"ratio": 0.34 if what == "layers" else 0.15, "what": what, "scope": scope, "at_least": 0.0}
    result = run(subject, tmp_path, **settings)
    slack = 1.0 if what == "layers" else 100 * parts.size_of(tiny_subject(plain_family)).head / (3 * 5856) * 3
    wanted = 100 * settings["ratio"]
    assert wanted - slack <= result.facts["removed_of_layers_percent"] <= wanted
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    assert torch.equal(logits_of(again.module, split), logits_of(subject.module, split))
    gone = [(len(layer.heads), len(layer.neurons)) for layer in subject.structure.layers]
    if scope == "uniform" and what == "neurons":
        assert len(set(gone)) == 1


@pytest.mark.parametrize("importance", ["magnitude", "taylor", "fisher"])
def test_what_does_nothing_goes_first_and_costs_nothing(plain_family, tmp_path, importance):
    subject = tiny_subject(plain_family)
    layer = subject.layers[1]
    with torch.no_grad():
        layer.ffn_in.weight[5:11] = 0
        layer.ffn_in.bias[5:11] = 0
        layer.ffn_out.weight[:, 5:11] = 0
    split = tiny_split()
    before = logits_of(subject.module, split)
    size = parts.size_of(subject)
    run(subject, tmp_path, importance=importance, ratio=6.01 * size.neuron / size.layers, what="neurons")
    assert set(range(24)) - set(subject.structure.layers[1].neurons) == set(range(5, 11))
    torch.testing.assert_close(logits_of(subject.module, split), before, atol=1e-5, rtol=0)


def test_bytes_count_the_embeddings(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    result = run(subject, tmp_path, bytes=0.3, importance="magnitude")
    assert 27 < result.facts["removed_of_model_percent"] <= 30
    assert result.facts["removed_of_layers_percent"] > 30
    assert not result.note


def test_a_speed_up_is_measured_and_no_more_goes_than_it_needs(tmp_path, monkeypatch):
    def width(model):  # a machine on which only feed-forward neurons cost time
        return sum(p.shape[0] for name, p in model.named_parameters() if name.endswith("lin1.weight"))

    def ratio(model, dense, split, rows, other_split, target):
        assert other_split is tools.dense_rows
        timed.append(rows)
        return width(dense) / width(model)

    timed = []
    monkeypatch.setattr("axkit_plugins.structured.timed.relative_speed", ratio)
    subject, dense = (tiny_subject(family_of("distilbert")) for _ in range(2))
    tools = lend(tmp_path, dense.module)
    config = Structured.Config(speedup=1.5, what="neurons", importance="magnitude", timed_rows=1)
    result = Structured().apply(subject, config, tools)
    assert 46 <= sum(len(layer.neurons) for layer in subject.structure.layers) <= 48  # 72 / 1.5, and a step's share
    assert result.facts["speedup_ratio"] == pytest.approx(1.5, abs=0.07)
    assert result.facts["speedup_before_ratio"] == 1
    assert set(timed) == {1}
    assert [line["speedup"] >= 1.5 for line in tools.journal.read()].count(True) >= 1
    tools = lend(tmp_path / "again", dense.module)
    again = Structured().apply(subject, config, tools)
    assert "times as fast as the dense model already: nothing changed" in again.note
    tools = lend(tmp_path / "far", dense.module)
    with pytest.raises(NotApplicable, match=r"with all that may go .* short of 9; lower 'speedup' or"):
        Structured().apply(subject, Structured.Config(speedup=9, at_least=0.5, importance="magnitude"), tools)


def test_layers_go_until_it_is_faster(tmp_path, monkeypatch):
    monkeypatch.setattr("axkit.measure.speed._seconds", lambda _, model, __: sum(p.numel() for p in model.parameters()))
    monkeypatch.setitem(tiny.TINY, "layers", 8)
    monkeypatch.setitem(tiny.TINY, "ffn_width", 512)
    subject, dense = (tiny_subject(family_of("bert")) for _ in range(2))
    config = Structured.Config(speedup=1.5, what="layers", importance="magnitude")
    result = Structured().apply(subject, config, lend(tmp_path, dense.module))
    assert result.facts["speedup_ratio"] >= 1.5
    assert result.facts["removed_layers"] == 3  # of 8, where an eighth and the embeddings cost the rest


def test_a_killed_bisection_ends_as_the_undisturbed_one(tmp_path, monkeypatch):
    """Every timing comes out another way each time; what decided is in the journal, once."""
    random = np.random.default_rng(0)

    def timed(_, module, __):
        return sum(p.numel() for p in module.parameters()) * random.uniform(1, 1.2)

    monkeypatch.setattr("axkit.measure.speed._seconds", timed)
    family = family_of("bert")
    config = Structured.Config(speedup=1.1, importance="magnitude")

    def walked(folder, lines=()):
        subject, tools = tiny_subject(family), lend(folder, tiny_subject(family).module)
        for line in lines:
            tools.journal.write(**line)
        return subject, Structured().apply(subject, config, tools), tools.journal.read()

    whole, expected, lines = walked(tmp_path / "whole")
    assert len(lines) > 4, "or there is nothing to resume"
    again, result, told = walked(tmp_path / "again", lines)
    assert (again.structure, result, told) == (whole.structure, expected, lines)
    *_, told = walked(tmp_path / "half", lines[:3])
    assert told[:3] == lines[:3]
    assert len({line["share"] for line in told}) == len(told), "no line is doubled"


def test_floors_and_multiples(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    result = run(subject, tmp_path, ratio=0.95, at_least=0.5, round_to=8, importance="magnitude")
    for layer in subject.structure.layers:
        assert len(layer.heads) == 2
        assert len(layer.neurons) == 16
    assert "asked for" in result.note


def test_a_share_too_small_says_so(plain_family, tmp_path):
    assert "nothing changed" in run(tiny_subject(plain_family), tmp_path, ratio=0.001, importance="magnitude").note


def test_it_goes_on_from_a_pruned_and_hardened_model(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    n = subject.structure.without_layer(0).without_heads(1, range(4)).without_attention(2).change(1, hard_k=None)
    subject.carve(n)
    run(subject, tmp_path, ratio=0.3)
    other = tiny_subject(plain_family)
    other.carve(other.structure.change(0, hard_k=3).change(2, hard_k=1))
    run(other, tmp_path, ratio=0.3, importance="fisher", rows=4)
    assert subject.structure.is_within(n)
    assert not subject.structure.layers[0].present


def test_a_family_file_that_tells_other_couplings_is_refused(tmp_path):
    subject = tiny_subject(family_of("bert"))
    roles = dict(subject.family.roles)
    roles["query"], roles["key"] = roles["key"], roles["key"]
    subject.family = subject.family.model_copy(update={"roles": roles})
    with pytest.raises(NotApplicable, match="couples other modules"):
        run(subject, tmp_path, ratio=0.3)


@pytest.mark.parametrize("settings", [{}, {"ratio": 0.1, "bytes": 0.1}, {"ratio": 0.1, "speedup": 2}, {"ratio": 1.0}])
def test_one_target_must_be_given(settings):
    with pytest.raises(ValidationError):
        Structured.Config(**settings)


@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("mend", [False, True])
def test_obs_needs_no_gradients_and_serves_every_family(family, tmp_path, scope, mend):
    subject = tiny_subject(family)
    before, words = parts.size_of(subject), None if family.inputs == "pixels" else tiny_tokenizer()
    settings = {"ratio": 0.3, "scope": scope, "importance": "obs", "mend": mend, "at_least": 0.2}
    Structured().check(family, Structured.Config(**settings))
    tools = lend(tmp_path, family=family)
    result = Structured().apply(subject, Structured.Config(**settings), tools)
    left = parts.size_of(subject)
    assert 0.2 < 1 - left.layers / before.layers <= 0.3
    assert result.facts["rows"] == len(tools.train)
    split = tiny_split(16, 1, words, family)
    reloaded = reload(subject, tools.reader).module
    assert torch.allclose(logits_of(subject.module, split), logits_of(reloaded, split), atol=1e-5)


def test_size_of_a_part_is_what_goes_with_it(family):
    subject = tiny_subject(family)
    before = parts.size_of(subject)
    fewer = subject.copy()
    fewer.carve(fewer.structure.without_neurons(0, [3]))
    assert parts.size_of(fewer).model == before.model - before.neuron
    fewer.carve(fewer.structure.without_heads(0, [1]))
    assert parts.size_of(fewer).model == before.model - before.neuron - before.head


@pytest.mark.parametrize("importance", ["magnitude", "taylor", "fisher", "obs"])
def test_a_mended_cut_misses_less(plain_family, tmp_path, importance):
    dense = tiny_subject(plain_family)
    wanted = logits_of(dense.module, lend(tmp_path).train)
    missed = {}
    for mend in (False, True):
        subject = dense.copy()
        run(subject, tmp_path, ratio=0.5, importance=importance, mend=mend, scope="uniform")
        missed[mend] = float((logits_of(subject.module, lend(tmp_path).train) - wanted).square().mean())
    assert missed[True] < missed[False]


def test_mend_refits_only_what_stays_when_layers_go(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    run(subject, tmp_path, ratio=0.4, what="layers", mend=True)
    assert sum(layer.present for layer in subject.structure.layers) == 2
    assert torch.isfinite(logits_of(subject.module, lend(tmp_path).train)).all()
