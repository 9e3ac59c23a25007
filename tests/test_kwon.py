"""The rule that benchmarks/kwon.py holds ours against: each step of the paper against the plain way to it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.kit import BLOCKS, Calibration
from axkit.kit.mend import gap
from axkit.testing import tiny_split, tiny_subject
from axkit.testing.tiny import tiny_reader

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import fisher


def test_gradients_are_those_of_masks():
    subject, split = tiny_subject(family_of("bert")), tiny_split(6)
    found = fisher.mask_gradients(subject.copy(), split, 6)
    batch, step, head = split.batch(range(6)), 1e-2, 2

    def losses(scale):
        mask = torch.ones(4)
        mask[head] = scale
        out = subject.layers[1].attention_out
        handle = out.register_forward_pre_hook(lambda _, args: (args[0] * mask.repeat_interleave(8),))
        with torch.inference_mode():
            values = split.kind.losses(subject.module(**batch.inputs).logits, batch.labels).double()
        handle.remove()
        return values

    by_hand = (losses(1 + step) - losses(1 - step)) / (2 * step)
    order = [int(row) for one in split.batches(32) for row in one.rows]
    assert found[1, "attention"][:, head] == pytest.approx(by_hand[order].numpy(), abs=2e-3)
    assert float(by_hand.abs().max()) > 0.05, "premise: the head matters"


@pytest.mark.parametrize("budget", [4.0, 7.5, 11.0])
def test_the_search_is_exact_for_the_diagonal(budget):
    torch.manual_seed(int(budget))
    importance = {(layer, what): torch.rand(2 if what == "attention" else 3) for layer in range(2) for what in BLOCKS}
    costs = {"attention": fisher.Cost(2.0), "ffn": fisher.Cost(1.0)}
    gone = fisher.search(importance, costs, budget)
    parts = [(block, place) for block, values in importance.items() for place in range(len(values))]

    def judged(lost):
        left = sum(costs[block[1]].each for block, place in parts if (block, place) not in lost)
        return (left <= budget, sum(float(importance[block][place]) for block, place in lost))

    every = (judged(set(lost)) for size in range(len(parts) + 1) for lost in itertools.combinations(parts, size))
    best = min(lost for fits, lost in every if fits)
    fits, found = judged({(block, place) for block, places in gone.items() for place in places})
    assert fits
    assert found == pytest.approx(best)


def test_what_saves_no_time_stays():
    importance = {(0, "attention"): torch.arange(1.0, 5.0), (0, "ffn"): torch.arange(1.0, 9.0)}
    costs = {"attention": fisher.Cost(1.0, 2.0, 2), "ffn": fisher.Cost(0.5, 1.0, 4)}
    assert fisher.search(importance, costs, 3.0) == {(0, "attention"): [0, 1], (0, "ffn"): [0, 1, 2, 3]}
    assert sum(map(len, fisher.search(importance, costs, 7.0).values())) == 0
    with pytest.raises(ValueError, match="nearly empty"):
        fisher.search(importance, costs, 2.5)


def test_a_line_with_a_floor_is_found():
    times = {n: fisher.Cost(0.5, 3.0, 4).of(n) for n in (1, 2, 4, 6, 8, 10)}
    assert fisher.Cost.fitted(times) == fisher.Cost(pytest.approx(0.5), pytest.approx(3.0), 4)


def test_parts_whose_gradients_cancel_go_together():
    one, other = torch.eye(2, dtype=torch.float64)
    gradients = torch.stack([one, -one, 0.8 * other, 0.8 * other], 1)
    assert gradients.square().sum(0).argsort().tolist()[:2] == [2, 3], "premise: the diagonal has it otherwise"
    assert fisher.rearranged(gradients, [2, 3]) == [0, 1]
    assert fisher.rearranged(gradients, []) == []


@pytest.mark.parametrize("width", [1, 2])
def test_scales_are_those_of_the_damped_least_squares(width):
    torch.manual_seed(width)
    inputs, weight = torch.randn(40, 6, dtype=torch.float64), torch.randn(5, 6, dtype=torch.float64)
    wanted = torch.randn(40, 5, dtype=torch.float64)
    each = [inputs[:, at : at + width] @ weight[:, at : at + width].T for at in range(0, 6, width)]
    columns = torch.stack([one.flatten() for one in each], 1)
    damping = torch.eye(len(each), dtype=torch.float64)
    left = (wanted - inputs @ weight.T).flatten()
    step = torch.linalg.lstsq(torch.cat([columns, damping]), torch.cat([left, torch.zeros(len(each))])[:, None])
    found = fisher.scales_of(inputs.T @ inputs, inputs.T @ wanted, weight, width)
    assert found.numpy() == pytest.approx((1 + step.solution[:, 0]).numpy(), rel=1e-8)


@pytest.mark.parametrize("name", ["bert", "gpt2", "modernbert", "vit"])
def test_tuning_brings_a_cut_model_nearer_and_leaves_a_whole_one(name):
    family = family_of(name)
    dense, split = tiny_subject(family), tiny_split(32, 0, tiny_reader(family), family)
    whole, cut = dense.copy(), dense.copy()
    assert fisher.tune(whole, dense, split, 32) == 6
    assert gap(whole, dense, Calibration(split, 32)) < 1e-8
    cut.carve(fisher.without(dense.structure, {(0, "attention"): [1], (1, "ffn"): list(range(8))}))
    bare = gap(cut, dense, Calibration(split, 32))
    assert fisher.tune(cut, dense, split, 32) == 6
    assert gap(cut, dense, Calibration(split, 32)) < bare
    assert (len(cut.structure.layers[0].heads), len(cut.structure.layers[1].neurons)) == (3, 16)
