"""Cut and repair over all families: exact where nothing is lost, better than the bare cut where something is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import matrix
from axkit.kit import mend as mend_module
from axkit.kit.below import Below, Steady
from axkit.kit.calibrate import BLOCKS, Calibration, has_parts, layer_of, part_width, seen_of
from axkit.kit.mend import cut_and_mend, problem
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import logits_of, tiny_model
from axkit.testing.tiny import tiny_reader, tiny_split


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


def test_blocks_without_parts_are_passed_over(plain_family):
    dense, split = made(plain_family)
    subject = dense.copy()
    subject.carve(subject.structure.without_ffn(0).without_attention(1))
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    assert not has_parts(subject, 0, "ffn")
    cut_and_mend(subject, dense, Calibration(split, 32), all_of)
    assert torch.isfinite(logits_of(subject.module, split)).all()


def test_a_model_entered_at_a_layer_shows_what_the_whole_one_shows(family):
    dense, split = made(family)
    calibration = Calibration(split, 32)
    subject = dense.copy()
    below = Below(subject, calibration)
    at_once = list(calibration.look_at_all(subject))
    for layer in range(len(subject.structure.layers)):
        for what in BLOCKS:
            entered = list(below.look(layer, what))
            whole = list(calibration.look(subject, layer, what))
            for one, other, third in zip(entered, whole, at_once, strict=True):
                for name in ("inputs", "outputs", "sums"):
                    assert torch.equal(getattr(one, name), getattr(other, name)), (layer, what, name)
                    assert torch.equal(getattr(one, name), getattr(third[layer, what], name)), (layer, what, name)
        if layer == 0 and not family.shared_layers:  # what is changed where it is reached is seen above
            subject.carve(subject.structure.keep_neurons(0, [0, 1, 2]))
            at_once = list(calibration.look_at_all(subject))


def test_a_model_that_stays_as_it_is_gives_the_same_when_a_layer_is_computed_once(family):
    dense, split = made(family, rows=60)
    calibration, last = Calibration(split, 32), len(dense.structure.layers) - 1
    whole = [{block: one.sums for block, one in found.items()} for found in calibration.look_at_all(dense)]
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
