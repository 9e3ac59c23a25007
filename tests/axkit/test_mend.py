"""Cut and repair over all families: exact where nothing is lost, better than the bare cut where something is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import matrix
from axkit.axformer.budget.worth import worths
from axkit.kit import mend as mend_module
from axkit.kit.below import Below, Steady
from axkit.kit.calibrate import BLOCKS, Calibration, Seen, adds, has_parts, layer_of, part_width, seen_of
from axkit.kit.mend import cut_and_mend, cut_to, gap, mend_model, own_problems, problem, removal_costs
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import logits_of, tiny_model
from axkit.testing.tiny import tiny_reader, tiny_split

PARTS = ("inputs", "outputs", "sums")


def made(family, rows=48):
    """A tiny model and rows for it."""
    model = tiny_model(family).eval()
    subject = torch_subject(model, family)
    return subject, tiny_split(rows, 0, tiny_reader(family), family)


def all_of(layer, what, found):
    """Keep every part."""
    return range(found.inputs // WIDTH[what])


WIDTH: dict[str, int] = {}


@pytest.fixture(autouse=True)
def _widths():
    WIDTH.clear()


def test_with_nothing_removed_the_logits_stay(family):
    dense, split = made(family)
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    subject = dense.copy()
    cut_and_mend(subject, dense, Calibration(split, 32), all_of)
    before, after = (logits_of(one.module, split) for one in (dense, subject))
    assert torch.allclose(before, after, atol=1e-3)
    assert subject.structure == dense.structure


def test_a_mended_cut_is_nearer_to_the_dense_model_than_the_bare_one(family):
    dense, split = made(family)
    calibration = Calibration(split, 48)
    mended = dense.copy()

    def half(layer, what, found):
        order, _ = found.order(part_width(dense, what))
        return order[len(order) // 2 :]

    cut_and_mend(mended, dense, calibration, half)
    bare = dense.copy()
    bare.carve(mended.structure)
    wanted = logits_of(dense.module, split)
    missed = [float((logits_of(one.module, split) - wanted).square().mean()) for one in (mended, bare)]
    assert missed[0] < missed[1]
    assert all(len(layer.heads) * 2 == mended.structure.n_heads for layer in mended.structure.layers)


def test_no_block_misses_more_than_its_bare_cut(family):
    """On the calibration rows, the last layer's blocks: at the projection, least squares cannot lose."""
    dense, split = made(family)
    calibration, last = Calibration(split, 48), len(dense.structure.layers) - 1
    for what in BLOCKS:
        found = problem(Below(dense, calibration), Steady(dense.copy(), calibration), last, what)
        order, _ = found.order(part_width(dense, what))
        kept = sorted(order[len(order) // 2 :])
        width = part_width(dense, what)
        columns = [part * width + i for part in kept for i in range(width)]
        whole = found.keep(range(found.inputs))
        cut = torch.zeros_like(whole.weight)
        cut[:, columns] = whole.weight[:, columns]
        solution = torch.cat([cut.T, whole.bias[None]])[: found.inputs + found.has_bias]
        gram, cross = found.gram.clone(), found.cross.clone()
        gram.diagonal()[: found.inputs] -= found.damping
        cross[: found.inputs] -= (
            found.damping * matrix(getattr(layer_of(dense, last), f"{what}_out")).detach().double().T
        )
        missed = found.square - 2 * float((solution * cross).sum())
        missed += float((solution * (gram @ solution)).sum())
        assert found.keep(columns).error <= missed / found.tokens * (1 + 1e-6) + 1e-9


def test_of_a_block_that_lost_all_its_parts_the_bias_is_refitted(family):
    """As far as the dense model's own output has a mean that can be told."""
    dense, split = made(family)
    subject, last = dense.copy(), len(dense.structure.layers) - 1
    limits = family.limits
    for what, cut in (("heads", "keep_heads"), ("neurons", "keep_neurons")):
        if what not in limits:
            subject.carve(getattr(subject.structure, cut)(last, []))
    alone = [what for what in BLOCKS if adds(subject, last, what) and not has_parts(subject, last, what)]
    biases = [getattr(layer_of(subject, last), f"{what}_out").bias for what in alone]
    calibration, whole = Calibration(split, 48), [one.detach().clone() for one in biases]
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    before, after = mend_model(subject, dense, calibration)
    if biases:
        assert after < before
        assert not any(torch.equal(one, was) for one, was in zip(biases, whole, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_sixteen_bits_is_looked_at_in_thirty_two(dtype):
    family = family_of("bert")
    dense = torch_subject(tiny_model(family, hidden_size=64, intermediate_size=768).to(dtype), family)
    split = tiny_split(48, 0, tiny_reader(family), family)
    calibration = Calibration(split, 48)
    worth = worths(dense, calibration, split.kind)
    assert all(torch.isfinite(one).all() for one in worth.values())
    subject = dense.copy()
    for (layer, what), costs in removal_costs(subject, calibration).items():
        assert (costs >= 0).all()
        if what == "ffn":
            cut = subject.structure.keep_neurons(layer, sorted(costs.argsort()[-96:].tolist()))
            cut_to(subject, cut, calibration)
    assert torch.isfinite(logits_of(subject.module, split)).all()
    assert {one.dtype for one in subject.module.parameters()} == {dtype}


def test_what_is_kept_is_a_tail_of_the_order():
    """Where a part that goes later costs less, as those before it have gone."""
    dense, split = made(family_of("bert"))
    calibration = Calibration(split, 48)
    problems = own_problems(dense, calibration)
    for block, costs in removal_costs(dense, calibration).items():
        order, each = problems[block][0].order(part_width(dense, block[1]))
        assert costs.argsort().tolist() == order
        assert all(float(costs[part]) >= cost / problems[block][1] for part, cost in zip(order, each, strict=True))


@pytest.mark.parametrize("gone", [None, "without_ffn"])
def test_when_the_last_layer_goes_the_new_last_one_is_held_to_what_it_gave(gone):
    dense, split = made(family_of("bert"))
    dense.carve(replace(dense.structure, first_token_only=True))
    if gone is not None:  # there is nothing to hold the feed-forward block to
        dense.carve(getattr(dense.structure, gone)(dense.structure.last))
    calibration = Calibration(split, 48)
    then = dense.structure.without_layer(dense.structure.last)
    mended, bare = dense.copy(), dense.copy()
    cut_to(mended, then, calibration)
    bare.carve(then)
    assert mended.structure == bare.structure
    assert gap(mended, dense, calibration) < gap(bare, dense, calibration)


def test_blocks_without_parts_are_passed_over(plain_family):
    dense, split = made(plain_family)
    subject = dense.copy()
    subject.carve(subject.structure.without_ffn(0).without_attention(1))
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    assert not has_parts(subject, 0, "ffn")
    cut_and_mend(subject, dense, Calibration(split, 32), all_of)
    assert torch.isfinite(logits_of(subject.module, split)).all()


def at_once(calibration, subject):
    """Of each batch what every block does; of a shared layer all turns one after the other."""
    told = {}
    calibration.look_at_all(subject, lambda block, seen: told.setdefault(block, []).append(seen))
    found = [{} for _ in calibration.batches]
    for block, each in told.items():
        turns = len(each) // len(found)
        for i, batch in enumerate(found):
            some = each[i * turns : (i + 1) * turns]
            batch[block] = Seen(*(torch.cat([getattr(one, part) for one in some]) for part in PARTS))
    return found


def test_a_model_entered_at_a_layer_shows_what_the_whole_one_shows(family):
    dense, split = made(family)
    calibration = Calibration(split, 32)
    subject = dense.copy()
    below = Below(subject, calibration)
    together = at_once(calibration, subject)
    for layer in range(len(subject.structure.layers)):
        for what in BLOCKS:
            entered = list(below.look(layer, what))
            whole = list(calibration.look(subject, layer, what))
            for one, other, third in zip(entered, whole, together, strict=True):
                for name in PARTS:
                    assert torch.equal(getattr(one, name), getattr(other, name)), (layer, what, name)
                    assert torch.equal(getattr(one, name), getattr(third[layer, what], name)), (layer, what, name)
        if layer == 0 and not family.shared_layers:  # what is changed where it is reached is seen above
            subject.carve(subject.structure.keep_neurons(0, [0, 1, 2]))
            together = at_once(calibration, subject)


def test_a_model_that_stays_as_it_is_gives_the_same_when_a_layer_is_computed_once(family):
    dense, split = made(family, rows=60)
    calibration, last = Calibration(split, 32), len(dense.structure.layers) - 1
    whole = [{block: one.sums for block, one in found.items()} for found in at_once(calibration, dense)]
    for blocks in (BLOCKS, ("ffn",)):  # of the second nobody asks what attention does
        steady = Steady(dense, calibration)
        for layer in range(last + 1):
            for what in blocks:
                for found, wanted in zip(steady.sums(layer, what), whole, strict=True):
                    assert torch.equal(found, wanted[layer, what]), (layer, what)
    steady = Steady(dense, calibration)
    assert all(len(list(steady.sums(0, what))) == len(whole) for what in BLOCKS)
    more = calibration.larger(60)
    assert sorted(row for one in more.batches for row in one.rows) == list(range(60))
    steady.grow(more)
    found = [list(steady.sums(last, what)) for what in BLOCKS]
    for batch, *ours in zip(more.batches, *found, strict=True):
        theirs = seen_of(dense, [(layer_of(dense, last), what) for what in BLOCKS], batch)
        for what, sums in zip(BLOCKS, ours, strict=True):
            assert torch.equal(sums, theirs[last, what].sums)


@pytest.mark.parametrize("alone", [True, False])
def test_a_last_layer_of_one_token_looks_at_four_times_the_rows(alone, monkeypatch):
    family = family_of("bert")
    dense, split = made(family, rows=60)
    dense.carve(replace(dense.structure, first_token_only=alone))
    seen = {}
    real = mend_module.problem

    def counted(ours, theirs, layer, what, there=None):
        found = real(ours, theirs, layer, what, there)
        seen[layer, what] = found.tokens
        return found

    monkeypatch.setattr(mend_module, "problem", counted)
    subject, calibration = dense.copy(), Calibration(split, 6)
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    cut_and_mend(subject, dense, calibration, all_of)
    last = len(dense.structure.layers) - 1
    tokens = int(split.lengths[:6].sum())
    assert all(seen[layer, what] == tokens for layer in range(last) for what in BLOCKS)
    assert all(seen[last, what] == (24 if alone else tokens) for what in BLOCKS)
    monkeypatch.setattr(mend_module, "MOST_BYTES", 100)
    cut_and_mend(subject, dense, calibration, all_of)
    assert all(seen[last, what] == (6 if alone else tokens) for what in BLOCKS), "what enters it would not fit"
