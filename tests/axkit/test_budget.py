from __future__ import annotations

import pytest
import torch

from axkit import certainty, measure
from axkit.anatomy.family import family_of
from axkit.axformer import budget, clock
from axkit.axformer.evaluate import Evaluator
from axkit.axformer.prune import AxformerPrune
from axkit.errors import NotApplicable
from axkit.testing import tiny_subject, tiny_tools


@pytest.fixture
def steady(monkeypatch):
    """A machine on which time is arithmetic: a module costs its parameters."""

    def priced(module, *_):
        return sum(p.numel() for p in module.parameters()) / 1e6

    monkeypatch.setattr(clock, "_seconds", priced)
    monkeypatch.setattr(measure, "_seconds", priced)


def made(family, tmp_path, **settings):
    subject = tiny_subject(family, 1)
    tools = tiny_tools(tmp_path, teacher=tiny_subject(family, 1).module, rows=40)
    config = AxformerPrune.Config(objective="budget", **{"max_drop": 100.0, "criterion": "calibrated_loss"} | settings)
    return subject, tools, AxformerPrune().apply(subject, config, tools)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("name", ["bert", "distilbert", "albert", "gpt2", "modernbert"])
def test_the_size_target_is_reached_and_true(name, tmp_path):
    family = family_of(name)
    subject, tools, result = made(family, tmp_path, size=1.5, rounds=2)
    dense, left = (sum(p.numel() for p in m.parameters()) for m in (tiny_subject(family, 1).module, subject.module))
    assert dense / left >= 1.45
    assert result.tables["frontier"][-1]["size"] >= 1.5
    logits = subject.module(**tools.search.batch([0, 1]).inputs).logits
    assert torch.isfinite(logits).all()


@pytest.mark.usefixtures("steady")
def test_what_one_round_timed_holds_in_the_next(tmp_path):
    """Also when the first layer has shrunk in between."""
    family, known = family_of("bert"), {}
    teacher = tiny_subject(family, 1).module
    tools = tiny_tools(tmp_path, teacher=teacher, rows=40)

    def carved(structure):
        subject = tiny_subject(family, 1)
        subject.carve(structure)
        return subject

    def clock_of(structure, name):
        bench = Evaluator(carved(structure), tools, AxformerPrune.Config()).bench
        return clock.Clock(bench, teacher, tools.search, known, known.__setitem__, name)

    def price(structure):
        return sum(p.numel() for p in carved(structure).module.parameters()) / sum(
            p.numel() for p in teacher.parameters()
        )

    dense = tiny_subject(family).structure
    first, cut = clock_of(dense, "1"), range(8)
    assert first.share(dense.without_neurons(1, cut)) == pytest.approx(price(dense.without_neurons(1, cut)))
    small = dense.without_ffn(0).without_heads(0, [1, 2])
    assert clock_of(small, "2").share(small.without_neurons(1, cut)) == pytest.approx(
        price(small.without_neurons(1, cut))
    )


@pytest.mark.usefixtures("steady")
def test_a_round_that_is_too_dear_is_undone(tmp_path, monkeypatch):
    family = family_of("bert")
    monkeypatch.setattr(budget.BudgetSearch, "_cost", lambda self, now: 50.0)
    subject, _, result = made(family, tmp_path, size=1.3, max_drop=1.0)
    assert subject.structure == tiny_subject(family, 1).structure or subject.structure.first_token_only
    assert all(len(layer.heads) == 4 and len(layer.neurons) == 24 for layer in subject.structure.layers)
    assert "undone" in result.note


@pytest.mark.usefixtures("steady")
def test_a_killed_walk_repeats_no_evaluation(tmp_path):
    family = family_of("bert")
    whole, tools, _ = made(family, tmp_path / "a", size=1.4)
    lines = tools.journal.read()
    again = tiny_tools(tmp_path / "b", teacher=tiny_subject(family, 1).module, rows=40)
    for line in lines[: len(lines) // 2]:
        again.journal.write(**line)
    looked = sum("at" in line for line in lines[: len(lines) // 2])
    subject = tiny_subject(family, 1)
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="calibrated_loss", size=1.4)
    result = AxformerPrune().apply(subject, config, again)
    assert subject.structure == whole.structure
    assert result.facts["evaluations"] == sum("at" in line for line in lines) - looked


def test_targets_and_objective_go_together():
    family = family_of("bert")
    check = AxformerPrune().check
    with pytest.raises(NotApplicable, match="no target"):
        check(family, AxformerPrune.Config(objective="budget"))
    with pytest.raises(NotApplicable, match="objective: budget"):
        check(family, AxformerPrune.Config(speedup=2.0))


def test_the_bound_of_a_drop_is_above_the_drop(tmp_path):
    tools = tiny_tools(tmp_path, rows=40)
    one, other = (tools.search.evaluate(tiny_subject(family_of("bert"), seed).module) for seed in (0, 1))
    drop = one.score - other.score
    assert certainty.drop_bound(tools.search, one, other, 0.95) >= drop
    assert certainty.drop_bound(tools.search, one, one, 0.95) == 0
