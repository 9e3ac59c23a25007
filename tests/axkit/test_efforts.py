"""What passes foretell of themselves: what they take, and what comes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from axkit.anatomy.family import family_of
from axkit.axformer.prune import AxformerPrune
from axkit.contract.passes import Effort, Gain, SearchWork, Workload
from axkit.ground import registry
from axkit.kit import DistillationConfig, TrainingConfig, training_effort, weight_bytes
from axkit.kit.train import cost
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.run.steps import along
from axkit.testing import lend, tiny_subject
from axkit_plugins.distill import Distill
from axkit_plugins.quantize.int8 import Int8

BERT = Workload(
    {"train": 1000, "search": 200, "test": 300},
    64,
    False,
    12,
    768,
    3072,
    heads=12,
    values=109_000_000,
    embedding_values=23_800_000,
)
SEARCH = SearchWork(100, 20, (4, 8), (2.0, 5.0), 1000, 400, "/tmp", 50)


@pytest.fixture
def made(workplace):
    return lambda *settings: plan(load_source(workplace / "recipe.yaml", settings))


def passes(*lines):
    return f"passes=[{', '.join(lines)}]"


# --- what a pass takes ---


def test_an_effort_has_its_search_and_what_it_runs():
    found = Effort((10.0, 30.0), 7, 3, runs=(1, 4)).with_search(SEARCH)
    assert found == Effort((10 + 220, 30 + 520), 7 + 600 + 50, 3 + 400, (1, 4))
    inner = found.with_inner(Effort((100.0, 200.0), 5000, 90))
    assert inner == Effort((230 + 100, 550 + 4 * 200), 5000, 403, (1, 4)), "one after the other: the larger of the two"


def test_what_only_the_run_can_tell_has_no_most():
    assert Effort((10.0, 30.0)).with_search(replace(SEARCH, passes=None)).rows == (10.0, None)
    assert Effort((10.0, 30.0)).with_inner(None).rows == (10.0, None)
    assert Effort((10.0, 30.0)).with_inner(Effort((1.0, None))).rows == (11.0, None)


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_a_training_costs_rows_moments_and_a_checkpoint(has_bfloat16, monkeypatch):
    monkeypatch.setattr(cost, "expects_bfloat16", lambda: has_bfloat16)
    plain = training_effort(TrainingConfig(epochs=2), BERT)
    low, high = plain.rows
    assert 2000 <= low < high <= 2000 * 4
    assert (low >= 2000 * 2.5) is not has_bfloat16
    assert plain.memory_bytes > 12 * BERT.values
    assert plain.disk_bytes == 12 * BERT.values
    frozen = training_effort(TrainingConfig(epochs=2, freeze="embeddings", checkpoint=0), BERT)
    assert plain.memory_bytes - frozen.memory_bytes == 12 * BERT.embedding_values
    assert (frozen.rows, frozen.disk_bytes) == (plain.rows, 0)
    head = training_effort(TrainingConfig(epochs=2, freeze="encoder"), BERT)
    assert head.rows[1] < high
    assert head.memory_bytes < frozen.memory_bytes
    fewer = training_effort(TrainingConfig(epochs=2, batch_size=8), BERT)
    assert fewer.memory_bytes < plain.memory_bytes
    assert training_effort(TrainingConfig(precision="float32"), BERT).rows[0] >= 2.5 * 3000


def test_a_teacher_is_asked_once_or_at_each_step():
    distill = Distill()
    own = training_effort(DistillationConfig(epochs=3.0), BERT).rows[0]
    for settings, asked in (({}, 1), ({"soft": 0.0, "hard": 1.0}, 0), ({"hidden": 1.0}, 3)):
        found = distill.foresee_effort(distill.Config(epochs=3.0, **settings), BERT)
        assert found.rows[0] == own + asked * 1000


def test_recovery_counts_for_each_round(made):
    lines = "{pass: axformer_prune, objective: budget, speedup: 2.0, rounds: 2%s}"
    bare, trained = (
        made(passes("{pass: finetune}", lines % more)).steps[1].foresee_effort(BERT)
        for more in ("", ", recover: {pass: distill, epochs: 1}")
    )
    once = training_effort(DistillationConfig(epochs=1.0), BERT, answered=1000)
    assert trained.rows[0] == pytest.approx(bare.rows[0] + 2 * once.rows[0])
    assert trained.rows[1] == pytest.approx(bare.rows[1] + 5 * once.rows[1])
    assert trained.memory_bytes == max(bare.memory_bytes, once.memory_bytes)


def test_a_stranger_that_is_lent_rows_is_not_foreseen(made):
    from strangers import Gain as Stranger  # lent nothing

    assert Stranger().foresee_effort(Stranger.Config(), BERT) == Effort()
    learner = type("Learner", (Stranger,), {"needs": frozenset({"train"})})
    assert learner().foresee_effort(Stranger.Config(), BERT) is None


# --- what comes of it ---


def test_gains_are_of_the_model_as_the_steps_before_leave_it(made):
    steps = made(passes("{pass: finetune}", "{pass: drop_layers, keep: [0]}", "{pass: int8}")).steps
    found = list(along(steps, BERT))
    assert [work.layers for _, work, _ in found] == [12, 12, 1]
    dropped, small = found[1][2], found[2][2]
    left = BERT.values - 11 * BERT.layer_values
    assert dropped == Gain((12.0, 12.0), (BERT.values / left, BERT.values / left), 1)
    assert found[2][1].values == pytest.approx(left, abs=1)
    assert small.size[0] < 4 * (1 - 4 / 768) < small.size[1] * 1.01
    assert along(steps, None)


def test_layer_values_are_those_of_a_layer(tmp_path):

    subject = tiny_subject(family_of("bert"), 1)
    layer = subject.module.base_model.encoder.layer[0]
    width = subject.structure.ffn_width
    work = Workload({}, 20, False, 3, subject.module.config.hidden_size, width)
    assert work.layer_values == sum(one.numel() for one in layer.parameters())


@pytest.mark.parametrize("settings", [{}, {"embeddings": False}])
def test_int8_gets_as_small_as_is_foretold(settings, tmp_path):

    subject, int8 = tiny_subject(family_of("bert"), 1), Int8()
    module = subject.module
    config, embedded = module.config, module.base_model.embeddings
    tables = sum(one.numel() for one in (embedded.word_embeddings.weight, embedded.position_embeddings.weight))
    values = sum(one.numel() for one in module.parameters())
    work = Workload({}, 20, False, 3, config.hidden_size, config.intermediate_size, values=values)
    work = replace(work, embedding_values=tables)
    told = int8.foresee_gain(int8.Config(**settings), work)
    before = weight_bytes(module)
    int8.apply(subject, int8.Config(**settings), lend(tmp_path, rows=60))
    assert told.size[0] <= 1.05 * before / weight_bytes(module)
    assert told.size[1] >= 0.95 * before / weight_bytes(module)


def test_a_search_alone_has_an_effort():
    work = replace(BERT, rows={"train": 100, "search": 200, "test": 10})
    assert AxformerPrune().foresee_effort(AxformerPrune.Config(), work).rows == (0.0, 0.0)


OURS = [name for name, one in registry.entries(registry.PASSES).items() if one.is_ours]
NEEDED = {"drop_layers": {"keep": [0]}, "structured": {"ratio": 0.3}}


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_says_what_it_takes(name, made):
    runner = registry.entries(registry.PASSES)[name].load()()
    config = runner.Config(**NEEDED.get(name, {}))
    found = runner.foresee_effort(config, BERT)
    assert found is not None or runner.foresee_search(config, BERT) is not None
    assert found is None or 0 <= found.rows[0] <= found.rows[1]
    gain = runner.foresee_gain(config, BERT)
    assert gain is None or all(low <= (high or low) for low, high in (gain.speed, gain.size))
