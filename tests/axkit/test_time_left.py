"""What a run says of the time that it has left."""

from __future__ import annotations

import pytest
from records import stage

from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.run.stage_cost import COMPARED_ROWS, TIMED_ROWS
from axkit.run.time_left import Left, left_of


@pytest.fixture
def made(workplace):
    return plan(load_source("recipe.yaml", ["passes.0.epochs=2"]))


def test_it_goes_by_rows_and_by_the_speed_of_the_last_model(made):
    work, last = made.given.workload(), stage(throughput_b32_per_s=100.0)
    done = left_of((), work, last)
    assert done == Left(*[(2 * work.rows["test"] + COMPARED_ROWS) / 100] * 2), "the final comparison alone"
    trained = left_of(made.steps[:1], work, last)
    for found, was, rows in zip(
        (trained.least_s, trained.most_s),
        (done.least_s, done.most_s),
        made.steps[0].foresee_effort(work).rows,
        strict=True,
    ):
        assert found == pytest.approx(was + (rows + work.rows["search"] + TIMED_ROWS) / 100)
    assert left_of(made.steps[:1], work, stage(throughput_b32_per_s=50.0)).least_s == pytest.approx(2 * trained.least_s)


def test_a_search_has_a_least_and_a_most(made):
    work, last = made.given.workload(), stage()
    step = made.steps[2]
    assert step.name == "axformer_prune"
    found, low = left_of((step,), work, last), left_of((), work, last)
    assert low.least_s < found.least_s < found.most_s


def test_what_nobody_knows_is_not_told(made):
    work = made.given.workload()
    assert left_of(made.steps, None, stage()) is None
    bare = {key: value for key, value in stage().to_json().items() if "throughput" not in key and "latency" not in key}
    assert left_of(made.steps, work, type(stage()).from_json(_fields(bare))) is None


def _fields(data):
    from axkit.ground.fields import Fields

    return Fields(data)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (Left(10, 20), "about 1 min left"),
        (Left(30, 200), "about 1 to 3 min left"),
        (Left(600, 620), "about 10 min left"),
        (Left(300, None), "at least 5 min left"),
        (Left(3, None), "time left not known"),
    ],
)
def test_words(left, told):
    assert left.told() == told


def test_each_stage_says_it(workplace, run):
    code, _, err = run("apply", "recipe.yaml", "--set", "passes=[{pass: finetune, epochs: 1}, {pass: int8}]")
    assert code == 0
    assert " ".join(err.split()).count("min left)") == 2
