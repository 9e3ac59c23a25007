"""The budget's walk over mended candidates: orders, weights, what a whole block leaves, what a family cannot lose."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import matrix
from axkit.axformer.budget.cuts import Cuts
from axkit.axformer.budget.repairs import Repairs
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.rule.criteria import Divergence
from axkit.axformer.screen.evaluate import dense_logits
from axkit.ground import stopwatch
from axkit.ground.errors import NotApplicable
from axkit.kit.calibrate import BLOCKS, Calibration, parts
from axkit.kit.mend import cut_to, gap, own_problems
from axkit.testing import lend, tiny_split, tiny_subject
from axkit.testing.tiny import tiny_reader


def priced(_, module, *__):
    """A machine on which time is arithmetic: a module costs its parameters."""
    return stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0)


@pytest.fixture
def looked(unlike_family):
    subject = tiny_subject(unlike_family, 1)
    calibration = Calibration(tiny_split(48, 0, tiny_reader(unlike_family), unlike_family), 48)
    return subject, calibration, Repairs.look(subject, calibration)


def test_a_cut_layer_gets_the_closed_form_and_the_model_keeps_its_own(looked):
    subject, calibration, repairs = looked
    then = subject.structure.without_heads(1, repairs.orders[1, "attention"][:2])
    then = then.without_neurons(1, repairs.orders[1, "ffn"][:8])
    untouched = {name: value.clone() for name, value in subject.module.state_dict().items()}
    other = subject.copy()
    other.carve(then)
    layer = other.layers[1]
    repairs.repair(layer, subject.structure.layers[1], then.layers[1])
    for what in BLOCKS:
        width = repairs.widths[what]
        columns = [part * width + i for part in parts(then.layers[1], what) for i in range(width)]
        found, _ = own_problems(subject, calibration)[1, what]
        wanted = found.keep(columns)
        out = getattr(layer, f"{what}_out")
        assert torch.allclose(matrix(out).double(), wanted.weight, atol=1e-5)
        if out.bias is not None:
            assert torch.allclose(out.bias.double(), wanted.bias, atol=1e-5)
    assert all(torch.equal(value, untouched[name]) for name, value in subject.module.state_dict().items())


def test_a_block_that_is_cut_again_is_solved_for_what_is_left(looked):
    subject, _, repairs = looked
    order = repairs.orders[0, "ffn"]
    once, twice = (subject.structure.without_neurons(0, order[:count]) for count in (6, 12))
    at_once, in_steps = subject.copy(), subject.copy()
    at_once.carve(twice)
    repairs.repair(at_once.layers[0], subject.structure.layers[0], twice.layers[0])
    for now, then in ((subject.structure, once), (once, twice)):
        in_steps.carve(then)
        repairs.repair(in_steps.layers[0], now.layers[0], then.layers[0])
    assert torch.equal(matrix(at_once.layers[0].ffn_out), matrix(in_steps.layers[0].ffn_out))


def test_a_repaired_structure_is_nearer_than_the_bare_one(looked):
    subject, calibration, repairs = looked
    then = subject.structure
    for (layer, what), order in repairs.orders.items():
        pick = then.without_heads if what == "attention" else then.without_neurons
        then = pick(layer, order[: len(order) // 2])
    mended, bare = subject.copy(), subject.copy()
    cut_to(mended, then, calibration)
    bare.carve(then)
    assert mended.structure == then
    assert gap(mended, subject, calibration) < gap(bare, subject, calibration)


def test_a_whole_block_leaves_its_mean_or_nothing():
    now = tiny_subject(family_of("bert")).structure
    orders = {(0, what): parts(now.layers[0], what) for what in BLOCKS}
    left = {
        whole: {cut.element: cut.structure.layers[0] for cut in Cuts(orders, whole).of(0, now)}
        for whole in ("mean", "zero")
    }
    assert left["mean"]["ffn/0"].ffn
    assert left["mean"]["ffn/0"].neurons == ()
    assert left["mean"]["attention/0"].attention
    assert left["mean"]["attention/0"].heads == ()
    assert not left["zero"]["ffn/0"].ffn
    assert not left["zero"]["attention/0"].attention
    emptied = now.without_heads(0, range(now.n_heads))
    assert [cut.element for cut in Cuts(orders, "mean").of(0, emptied)] == ["ffn/0", "ffn/0/neurons/21"]


def test_what_cannot_go_one_by_one_goes_whole():
    now = tiny_subject(family_of("bert")).structure
    orders = {(0, what): parts(now.layers[0], what) for what in BLOCKS}
    cuts = list(Cuts(orders, "mean", frozenset({"attention"})).of(0, now))
    assert [cut.element for cut in cuts] == ["attention/0", "ffn/0", "ffn/0/neurons/21"]
    assert not cuts[0].structure.layers[0].attention


@pytest.mark.parametrize("name", ["vit", "mpnet"])
def test_images_and_a_bias_that_all_layers_share_are_walked_over_mended(name, tmp_path, monkeypatch):
    """Other families reach their targets, mended, in test_budget.py."""
    monkeypatch.setattr(stopwatch, "taken", priced)
    family = family_of(name)
    subject, dense = tiny_subject(family, 1), tiny_subject(family, 1)
    tools = lend(tmp_path, teacher=dense.module, rows=40, family=family)
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="divergence", size=1.3)
    result = AxformerPrune().apply(subject, config, tools)
    bare = dense.copy()
    bare.carve(subject.structure)
    batch = tools.search.batch(range(20))
    with torch.inference_mode():
        wanted, mended, cut = (one.module(**batch.inputs).logits for one in (dense, subject, bare))
    assert result.tables["frontier"][-1]["size"] >= 1.3
    assert (mended - wanted).square().mean() < (cut - wanted).square().mean(), "nearer than the same cut, bare"


def test_a_family_that_cannot_lose_heads_is_searched_for_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(stopwatch, "taken", priced)
    family = family_of("bert").model_copy(update={"limits": {"heads": "its heads are one"}})
    subject = tiny_subject(family, 1)
    tools = lend(tmp_path, teacher=tiny_subject(family, 1).module, rows=40)
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="divergence", size=2.5)
    AxformerPrune().apply(subject, config, tools)
    assert {len(layer.heads) for layer in subject.structure.layers} <= {0, subject.structure.n_heads}
    assert any(len(layer.neurons) < subject.structure.ffn_width for layer in subject.structure.layers)


def test_the_papers_own_mode_mends_when_told_and_then_only(tmp_path):
    assert not AxformerPrune.Config().mends
    assert AxformerPrune.Config(objective="budget", speedup=2.0).mends
    assert AxformerPrune().needs_of(AxformerPrune.Config(mend=True)) == {"search", "train"}
    found = {}
    for mend in (False, True):
        subject = tiny_subject(family_of("bert"), 1)
        tools = lend(tmp_path, teacher=tiny_subject(family_of("bert"), 1).module, rows=40)
        config = AxformerPrune.Config(tolerance=0.2, vote=0.2, mend=mend)
        AxformerPrune().apply(subject, config, tools)
        found[mend] = subject
    assert found[True].structure == found[False].structure
    assert not found[True].structure.is_dense
    states = [found[mend].module.state_dict() for mend in (False, True)]
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_divergence_is_of_the_dense_models_answers_and_needs_no_label(tmp_path):
    family = family_of("bert")
    dense, other = tiny_subject(family, 1), tiny_subject(family, 2)
    tools = lend(tmp_path, teacher=dense.module, rows=20)
    criterion, every = Divergence(tools.search, dense_logits(tools)), np.arange(20)
    batch = tools.search.batch(range(20))
    with torch.inference_mode():
        same, apart = (one.module(**batch.inputs).logits for one in (dense, other))
    assert criterion.value(criterion.see(same, batch.labels, every), every) == pytest.approx(0, abs=1e-6)
    wanted, theirs = same.log_softmax(-1), apart.log_softmax(-1)
    hand = float((wanted.exp() * (wanted - theirs)).sum(-1).mean())
    for labels in (batch.labels, 1 - batch.labels):
        assert criterion.value(criterion.see(apart, labels, every), every) == pytest.approx(hand, rel=1e-5)
    swapped = criterion.see(apart[[1, 0]], batch.labels[:2], np.array([1, 0]))
    assert swapped[::-1] == pytest.approx(criterion.see(apart[:2], batch.labels[:2], np.array([0, 1])))


def test_a_walk_by_divergence_starts_at_nothing_and_reaches_its_target(tmp_path, monkeypatch):
    monkeypatch.setattr(stopwatch, "taken", priced)
    subject = tiny_subject(family_of("bert"), 1)
    tools = lend(tmp_path, teacher=tiny_subject(family_of("bert"), 1).module, rows=40)
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="divergence", size=1.2)
    AxformerPrune().apply(subject, config, tools)
    assert not subject.structure.is_dense


def test_divergence_is_refused_where_something_better_is_looked_for():
    with pytest.raises(NotApplicable, match="criterion divergence is for objective budget"):
        AxformerPrune().check(family_of("bert"), AxformerPrune.Config(criterion="divergence"))


def test_a_target_that_is_met_as_it_begins_asks_for_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr(stopwatch, "taken", priced)
    teacher = tiny_subject(family_of("bert"), 1)
    subject = teacher.copy()
    before = subject.structure.without_ffn(0).without_attention(1)
    subject.carve(before)
    monkeypatch.setattr(Repairs, "look", None)  # to call it would raise
    config = AxformerPrune.Config(
        objective="budget", criterion="divergence", speedup=1.05, max_drop=100, first_token_only=False
    )
    AxformerPrune().apply(subject, config, lend(tmp_path, teacher=teacher))
    assert subject.structure == before


def test_what_is_shared_is_the_table_and_no_timing_of_a_cut(tmp_path):
    """A search that goes on after it has cut and timed must not lend those timings: another cuts elsewhere."""
    from types import SimpleNamespace

    from axkit.axformer.budget.lines import Looked, Timed
    from axkit.axformer.budget.repairs import Repairs
    from axkit.axformer.budget.shared import Shared

    subject, common = tiny_subject(family_of("bert"), 1), {}
    config = AxformerPrune.Config(objective="budget", speedup=2.0)
    names = ("speedup 0", "layer 1.0", "2/24/1/1/0/0", "speedup 1.0", "speedup 1", "speedup 1, a copy")
    later = ("speedup 2", "layer 2.0", "whole 2.0", "whole 10.0")  # of a search that begins its first round again
    lines = [Looked("1.0:ffn/0", 0.5, 4, 4, 0.1), *(Timed(name, 1.0) for name in (*names, *later))]
    lines.append(Looked("2.0:ffn/0", 0.5, 4, 4, 0.1))
    mine = Shared.of(common, subject, config)
    mine.keep(Repairs({}, subject.structure, {}, {}, {}), SimpleNamespace(lines=lines))
    adopted = []
    other = AxformerPrune.Config(objective="budget", size=1.5, rounds=3, max_drop=9.0)
    Shared.of(common, subject, other).adopt(SimpleNamespace(adopt=adopted.extend))
    assert adopted == lines[:4]
    assert (
        Shared.of(common, subject, AxformerPrune.Config(objective="budget", speedup=2.0, mend_rows=7)).repairs is None
    )
