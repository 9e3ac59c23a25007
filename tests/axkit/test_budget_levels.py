"""The table of a budget's round: levels of each block, what they cost between looks, and the choice among them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.axformer.budget.levels import Level, Looked, Menu, chosen, menu
from axkit.axformer.budget.table import Table
from axkit.axformer.budget.walk import Goals
from axkit.axformer.budget.worth import worths
from axkit.kit.calibrate import BLOCKS, Calibration, layer_of
from axkit.kit.least_squares import Moments, Projection
from axkit.testing import tiny_split, tiny_subject


def menus(seed, blocks=4, levels=4):
    """Costs and savings that rise, of random sizes; savings in whole cells of a need of 1 or 160."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(blocks):
        costs, time, size = (np.cumsum(random.integers(1, 9, levels)) for _ in range(3))
        found = [
            Level(i + 1, float(c) / 10, (float(t) / 50, float(s)))
            for i, (c, t, s) in enumerate(zip(costs, time, size, strict=True))
        ]
        made.append(Menu((number, "ffn"), (Level(0, 0.0, (0.0, 0.0)), *found)))
    return made


def best_of_all(made, needs):
    every = itertools.product(*(one.levels for one in made))
    costs = [
        sum(level.cost for level in some)
        for some in every
        if all(sum(level.saved[kind] for level in some) >= needs[kind] - 1e-9 for kind in (0, 1))
    ]
    return min(costs, default=None)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("needs", [(0.8, 0.0), (0.0, 40.0), (0.8, 40.0), (0.0, 0.0)])
def test_the_choice_is_the_best_of_all_choices(seed, needs):
    made = menus(seed)
    found = chosen(made, needs)
    assert found is not None
    for kind in (0, 1):
        assert sum(level.saved[kind] for level in found) >= needs[kind] - 1e-9
    assert sum(level.cost for level in found) == pytest.approx(best_of_all(made, needs))


def test_what_cannot_be_reached_is_none():
    made = menus(0)
    assert chosen(made, (10.0, 0.0)) is None
    assert chosen(made, (0.1, 1e6)) is None


def test_between_two_looks_the_cost_goes_as_the_error_does():
    errors = [0.0, 1.0, 2.0, 4.0, 8.0, 100.0]
    found = menu(
        (0, "ffn"), [1, 2, 3, 4, 5], Looked([2, 4, 5], [0.2, 0.8, 30.0], [0.2, 0.4, 0.7], [20, 40, 50]), errors
    )
    assert [level.gone for level in found.levels] == [0, 1, 2, 3, 4, 5]
    assert [level.cost for level in found.levels] == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 30.0])
    assert [level.saved[0] for level in found.levels] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.7])
    assert [level.saved[1] for level in found.levels] == pytest.approx([0, 10, 20, 30, 40, 50])


def test_a_whole_block_that_comes_out_better_by_chance_is_not_free():
    errors = [0.0, 1.0, 2.0, 20.0]
    found = menu((0, "ffn"), [1, 2, 3], Looked([1, 2, 3], [0.1, 0.2, -0.5], [0.1] * 3, [1] * 3), errors)
    assert found.levels[-1].cost == pytest.approx(0.5 * 0.1 * 20)


def test_a_criterion_without_labels_is_believed():
    looked = Looked([1, 2, 3], [0.1, 0.2, 0.3], [0.1] * 3, [1] * 3)
    found = menu((0, "ffn"), [1, 2, 3], looked, [0.0, 1.0, 2.0, 20.0], by_label=False)
    assert found.levels[-1].cost == pytest.approx(0.3)


def test_an_order_by_worth_is_that_of_outputs_that_count_alike():
    """Outputs turned and stretched so that the worth is the identity: the same problem, said in another way."""
    draw = torch.Generator().manual_seed(3)
    x, weight = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((200, 10), (6, 10)))
    turn = torch.randn(6, 6, generator=draw, dtype=torch.float64)
    turn += 3 * torch.eye(6, dtype=torch.float64)

    def problem(matrix):
        moments = Moments(10, 6)
        moments.add(x, x @ matrix.T)
        return Projection(moments, matrix, None)

    gone, costs = problem(weight).order(1, turn.T @ turn)
    wanted, theirs = problem(turn @ weight).order()
    assert gone == wanted
    assert costs == pytest.approx(theirs, rel=2e-2)  # the worth is damped a little
    assert problem(weight).order()[0] != wanted


def test_worths_are_of_every_block_and_what_no_answer_feels_counts_nothing(unlike_family):
    subject = tiny_subject(unlike_family, 1)
    split = tiny_split(16, 0, subject.reader, unlike_family)
    before = {name: value.clone() for name, value in subject.module.state_dict().items()}
    found = worths(subject, Calibration(split, 16), split.kind)
    hidden = subject.family.size(subject.module.config, "hidden")
    assert set(found) == {(layer.index, what) for layer in subject.layers for what in BLOCKS}
    for worth in found.values():
        assert worth.shape == (hidden, hidden)
        assert float(torch.linalg.eigvalsh(worth).min()) > -1e-6 * float(worth.diagonal().sum())
        assert float(worth.diagonal().sum()) > 0
    assert all(torch.equal(value, before[name]) for name, value in subject.module.state_dict().items())
    assert all(parameter.grad is None for parameter in subject.module.parameters())


def test_the_worth_of_a_direction_is_how_far_it_moves_the_answers():
    """Two directions of a block's output: the one that the worth calls the greater moves the logits more."""
    family = family_of("bert")
    subject, split = tiny_subject(family, 1), tiny_split(32)
    worth = worths(subject, Calibration(split, 32), split.kind)[1, "ffn"]
    values, directions = torch.linalg.eigh(worth)
    assert values[-1] > 10 * values[0].clamp_min(0)
    batch = split.batch(range(32))
    out = layer_of(subject, 1).ffn_out

    def moved(direction):
        with torch.no_grad():
            before = subject.module(**batch.inputs).logits
            handle = out.register_forward_hook(lambda _, __, output: output + 0.01 * direction.float())
            after = subject.module(**batch.inputs).logits
            handle.remove()
        return float((after - before).log_softmax(-1).std())

    assert moved(directions[:, -1]) > 3 * moved(directions[:, 0])


class Clocked(Table):
    """A table whose model takes a tenth longer than its layers say, by a clock that wavers."""

    def __init__(self, made, seed):
        self.menus, self.share, self.readings = made, 1.0, 0
        self._random = np.random.default_rng(seed)

    def truth(self, levels):
        return self._expected(levels) + 0.1

    def _structure(self, levels):
        return levels

    def _clocked(self, levels):
        self.readings += 1
        return self.truth(levels) * (1 + self._random.normal(0, 0.015))


@pytest.mark.parametrize(("allowed", "reached"), [(1e9, False), (3.0, True), (1e-9, True)])
def test_what_cannot_be_reached_ends_a_round_as_anything_else_does(allowed, reached):
    levels = [Level(i, float(i), (0.01 * i, 1.0)) for i in range(10)]
    made = [Menu((number, "ffn"), tuple(levels)) for number in range(4)]
    table = Clocked(made, 0)
    table.goals, table.bytes, table.value = Goals(0.01, None), 100, 0.0  # all of it saves 0.36
    dear = SimpleNamespace(dear=lambda value: value + allowed)
    table.survey = SimpleNamespace(rows=SimpleNamespace(passes=SimpleNamespace(criterion=dear)))
    table._told = lambda levels: levels
    found = table.run()
    assert found.reached is reached
    lost = sum(level.cost for level in found.structure)
    assert lost == 36 if not reached else lost <= max(allowed, 1.0)
    assert lost > 0


def test_a_clock_that_wavers_is_not_chased():
    goal, found, readings = 0.5, [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        made = []
        for number in range(12):
            saved, costs = np.cumsum(random.uniform(0.001, 0.005, 24)), np.cumsum(random.uniform(0, 1, 24))
            levels = [
                Level(i + 1, float(c), (float(t), 1.0)) for i, (c, t) in enumerate(zip(costs, saved, strict=True))
            ]
            made.append(Menu((number, "ffn"), (Level(0, 0.0, (0.0, 0.0)), *levels)))
        table = Clocked(made, seed)
        needs = (1.0 - goal, 0.0)
        found.append(table.truth(table._timed(chosen(made, needs), needs[1], goal)) / goal)
        readings.append(table.readings)
    assert 0.985 < np.mean(found) < 1.0
    assert np.std(found) < 0.013, "less than the clock itself"
    assert min(readings) >= 2
    assert np.mean(readings) < 4
