"""What differences rows can tell, and what a plan says of a budget that is less."""

from __future__ import annotations

import numpy as np
import pytest

from axkit.measure.noise import resolution, rows_for, rows_needed, told
from axkit.run.noise import doubts
from axkit.run.planning import plan
from axkit.run.recipe import load_source


def test_rows_and_points_are_inverse():
    for rows in (300, 1000, 20_000):
        assert rows_for(resolution(rows)) in (rows, rows + 1)
    assert rows_for(0.5) == 7683
    assert resolution(300, 0.05) == pytest.approx(2.53, abs=0.01)


def test_it_is_what_resampling_gives():
    draw = np.random.default_rng(0)
    rows, flips = 500, 0.08
    differences = draw.choice([-1, 0, 1], p=[flips / 2, 1 - flips, flips / 2], size=(4000, rows)).mean(1)
    assert resolution(rows, flips) == pytest.approx(100 * np.quantile(np.abs(differences), 0.95), rel=0.08)


def test_what_an_interval_lacks():
    assert rows_needed(400, 1.0, 0.5) == 1600
    assert rows_needed(400, 1.0, 0.0) is None
    assert rows_needed(400, 10.0, 1e-6) is None


def test_a_small_budget_is_doubted():
    assert "about 7,683 rows would" in told(0.5, 300, "test")
    assert told(0.5, 8000, "test") == ""
    assert told(0.0, 300, "test") == ""


def test_a_plan_tells(workplace, run):
    source = load_source("recipe.yaml", ["passes.3.budget.max_drop=0.5"])
    found = doubts(plan(source))
    assert ["search rows" in one for one in found] == [True, False]
    assert "60 test rows" in found[1]
    code, out, _ = run("plan", "recipe.yaml", "--set", "passes.3.budget.max_drop=0.5")
    assert code == 0
    assert "note   a drop of 0.5 is less than 60 test rows can tell" in out
    assert not doubts(plan(load_source("recipe.yaml")))
