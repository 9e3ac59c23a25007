"""Cut and repair over all families: exact where nothing is lost, better than the bare cut where something is."""

from __future__ import annotations

import pytest
import torch

from axkit.kit.calibrate import BLOCKS, Calibration, has_parts, part_width
from axkit.kit.mend import alike, cut_and_mend, problem
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
        found = problem(calibration, dense, alike(dense, dense.structure), last, what)
        order, _ = found.order(part_width(dense, what))
        kept = sorted(order[len(order) // 2 :])
        width = part_width(dense, what)
        columns = [part * width + i for part in kept for i in range(width)]
        whole = found.keep(range(found.inputs))
        cut = torch.zeros_like(whole.weight)
        cut[:, columns] = whole.weight[:, columns]
        moments, size = found.moments, found.inputs + found.has_bias
        solution = torch.cat([cut.T, whole.bias[None]])[:size]
        missed = moments.square - 2 * float((solution * moments.cross[:size]).sum())
        missed += float((solution * (moments.gram[:size, :size] @ solution)).sum())
        assert found.keep(columns).error <= missed / moments.tokens * (1 + 1e-6) + 1e-9


def test_blocks_without_parts_are_passed_over(plain_family):
    dense, split = made(plain_family)
    subject = dense.copy()
    subject.carve(subject.structure.without_ffn(0).without_attention(1))
    WIDTH.update({what: part_width(dense, what) for what in BLOCKS})
    assert not has_parts(subject, 0, "ffn")
    cut_and_mend(subject, dense, Calibration(split, 32), all_of)
    assert torch.isfinite(logits_of(subject.module, split)).all()
