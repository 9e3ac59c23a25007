"""Mending's algebra against plain solvers and brute force, on tiny blocks."""

from __future__ import annotations

import itertools

import pytest
import torch

from axkit.kit.least_squares import Moments, Projection


def block(inputs=8, outputs=5, tokens=200, bias=True, seed=0):
    """(X, W, b): inputs that lean on each other, as those of a block do."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    x = draw(tokens, inputs) @ draw(inputs, inputs) + draw(inputs)
    return x, draw(outputs, inputs), draw(outputs) if bias else None


def projection(x, weight, bias, wanted=None):
    moments = Moments(weight.shape[1], weight.shape[0])
    wanted = x @ weight.T + (0 if bias is None else bias) if wanted is None else wanted
    for part in zip(x.split(64), wanted.split(64), strict=True):
        moments.add(*part)
    return Projection(moments, weight, bias)


@pytest.mark.parametrize("bias", [True, False])
def test_nothing_removed_changes_nothing(bias):
    x, weight, b = block(bias=bias)
    found = projection(x, weight, b).keep(range(8))
    assert torch.allclose(found.weight, weight, atol=1e-8)
    assert torch.allclose(found.bias, torch.zeros(5, dtype=torch.float64) if b is None else b, atol=1e-8)
    assert found.error < 1e-8


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kept", [[0, 2, 3, 7], [5], []])
def test_the_closed_form_is_a_plain_least_squares_solve(bias, kept):
    """Damping is least squares too: some more rows, which ask the kept weights to stay as they are."""
    x, weight, b = block(bias=bias)
    problem = projection(x, weight, b)
    found = problem.keep(kept)
    columns = [x[:, kept], torch.ones(len(x), 1, dtype=torch.float64)] if bias else [x[:, kept]]
    damping = problem.damping
    assert damping == pytest.approx(1e-3 * float(x.square().sum(0).mean()))
    more = torch.zeros(len(kept), len(kept) + bias, dtype=torch.float64)
    more[:, : len(kept)] = damping**0.5 * torch.eye(len(kept), dtype=torch.float64)
    left = torch.cat([torch.cat(columns, 1), more])
    right = torch.cat([x @ weight.T + (0 if b is None else b), damping**0.5 * weight[:, kept].T])
    plain = torch.linalg.lstsq(left, right).solution if left.shape[1] else left.new_zeros(0, 5)
    assert torch.allclose(found.weight, plain[: len(kept)].T, atol=1e-8)
    if bias:
        assert torch.allclose(found.bias, plain[-1], atol=1e-8)


def test_the_error_is_that_of_the_refitted_block_and_never_above_that_of_the_cut():
    x, weight, b = block()
    kept = [1, 4, 6]
    found = projection(x, weight, b).keep(kept)
    wanted = x @ weight.T + b
    missed = (x[:, kept] @ found.weight.T + found.bias - wanted).square().sum(1).mean()
    cut = (x[:, kept] @ weight[:, kept].T + b - wanted).square().sum(1).mean()
    assert found.error == pytest.approx(float(missed), rel=1e-9)
    assert missed < cut


def test_a_weight_that_no_token_asks_for_stays():
    x, weight, b = block()
    x[:, 3] = 0.0
    found = projection(x, weight, b).keep(range(8))
    assert torch.allclose(found.weight[:, 3], weight[:, 3])


def greedy(problem, size):
    """The order by trying every group at every step, with a whole solve each."""

    def error(groups):
        kept = [g * size + i for g in groups for i in range(size)]
        chosen = [*kept, problem.inputs]
        solution = torch.linalg.solve(problem.gram[chosen][:, chosen], problem.cross[chosen])
        return -float((solution * problem.cross[chosen]).sum()) / problem.tokens

    left, gone, costs = list(range(problem.inputs // size)), [], []
    now = error(left)
    while left:
        tried = [error([other for other in left if other != group]) for group in left]
        best = min(range(len(left)), key=tried.__getitem__)
        gone.append(left.pop(best))
        costs.append(tried[best] - now)
        now = tried[best]
    return gone, costs


@pytest.mark.parametrize(("inputs", "size"), [(8, 1), (90, 1), (8, 2), (12, 4)])  # 90: more than are updated at once
@pytest.mark.parametrize("seed", range(3))
def test_the_order_is_that_of_brute_force(inputs, size, seed):
    x, weight, b = block(inputs, seed=seed, tokens=3 * inputs + 40)
    problem = projection(x, weight, b)
    gone, costs = problem.order(size)
    wanted_gone, wanted_costs = greedy(problem, size)
    assert gone == wanted_gone
    assert costs == pytest.approx(wanted_costs, rel=1e-6)


def test_the_first_to_go_of_two_that_say_the_same_costs_nothing():
    x, weight, b = block()
    x[:, 5] = 2 * x[:, 2] + 1
    gone, costs = projection(x, weight, b).order()
    assert gone[0] in (2, 5)
    assert costs[0] < 0.05 * min(costs[1:])


def test_another_wish_than_the_present_output_is_met_as_well_as_can_be():
    x, weight, b = block()
    other = torch.randn(5, 8, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    wanted = x @ other.T + 3
    problem = projection(x, weight, b, wanted=wanted)
    spread = float((wanted - wanted.mean(0)).square().sum(1).mean())
    assert problem.keep(range(8)).error < 1e-3 * spread
    assert float((x @ weight.T + b - wanted).square().sum(1).mean()) > spread


def test_pairs_of_tiny_blocks_against_every_choice():
    """Two of six go, one by one: greedy is not always the best pair, but never better than it, and often it."""
    hits = 0
    for seed in range(10):
        x, weight, b = block(6, seed=seed)
        problem = projection(x, weight, b)
        gone, _ = problem.order()
        pairs = list(itertools.combinations(range(6), 2))
        errors = {pair: problem.keep([i for i in range(6) if i not in pair]).error for pair in pairs}
        chosen = errors[tuple(sorted(gone[:2]))]
        assert chosen >= min(errors.values()) - 1e-9
        hits += chosen == min(errors.values())
    assert hits >= 5
