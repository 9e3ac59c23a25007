"""The fast search decides, candidate by candidate, as a plain loop over single rows that only masks."""

from __future__ import annotations

import copy

import pytest
import torch
from oracle import search as oracle_search

from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.testing import tiny_subject, tiny_tools

SETTINGS = [{}, {"vote": 0.3}, {"tolerance": 0.3, "vote": 0.2}, {"tolerance": 1.0, "vote": 0.0}]


def single_rows(split):
    return [(split.batch([i]).inputs, split.batch([i]).labels) for i in range(len(split))]


@pytest.mark.parametrize(("seed", "settings"), [(i % 2, settings) for i, settings in enumerate(SETTINGS)])
def test_pruning_equals_the_oracle(family, settings, seed, tmp_path):
    subject = tiny_subject(family, seed)
    tools = tiny_tools(tmp_path, rows=30, family=family)
    expected, best = oracle_search(subject.module, family.model_type, 4, 24, single_rows(tools.search), **settings)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(**settings), tools)
    journal = tools.journal.read()
    assert [(e["element"], e["accepted"]) for e in journal] == expected
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)
    assert any(accepted for _, accepted in expected) or not settings or family.shared_layers


@pytest.mark.parametrize(("seed", "k"), [(0, 3), (1, 6), (2, 3)])
def test_hard_attention_equals_the_oracle(family, k, seed, tmp_path):
    subject = tiny_subject(family, seed)
    tools = tiny_tools(tmp_path, rows=40, family=family)
    expected, best = oracle_search(subject.module, family.model_type, 4, 24, single_rows(tools.search), k=k)
    result = HardAttention().apply(subject, HardAttention.Config(k=k), tools)
    assert [(e["element"], e["accepted"]) for e in tools.journal.read()] == expected
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 2])
def test_both_phases_equal_the_oracle(family, seed, tmp_path):
    """The vote of phase 2 still compares with the dense model, the loss with what phase 1 left."""
    dense = tiny_subject(family, seed)
    rows = single_rows(tiny_tools(tmp_path, rows=40, family=family).search)
    hard, _ = oracle_search(dense.module, family.model_type, 4, 24, rows, k=4, vote=0.3)
    layers = {int(element.split("/")[1]): 4 for element, accepted in hard if accepted}
    prune, best = oracle_search(dense.module, family.model_type, 4, 24, rows, vote=0.3, hard=layers)
    one, two = tiny_tools(tmp_path / "1", rows=40, family=family), tiny_tools(tmp_path / "2", rows=40, family=family)
    HardAttention().apply(dense, HardAttention.Config(k=4, vote=0.3), one)
    result = AxformerPrune().apply(dense, AxformerPrune.Config(vote=0.3), two)
    found = [(e["element"], e["accepted"]) for e in one.journal.read() + two.journal.read()]
    assert found == hard + prune
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)


def test_what_was_found_is_what_the_model_has(family, tmp_path):
    """The loss that the search ended with is the loss of the carved model, evaluated afresh."""
    subject = tiny_subject(family, 1)
    tools = tiny_tools(tmp_path, family=family)
    HardAttention().apply(subject, HardAttention.Config(k=4), tools)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(vote=0.2), tools)
    evaluation = tools.search.evaluate(subject.module)
    assert evaluation.loss == pytest.approx(result.facts["search_loss_after_nats"], abs=1e-6)


def test_an_interrupted_search_goes_on_from_its_journal(family, tmp_path):
    dense = tiny_subject(family, 1)
    config = AxformerPrune.Config(tolerance=0.3, vote=0.2)
    whole = dense.copy()
    full = tiny_tools(tmp_path / "full", family=family)
    AxformerPrune().apply(whole, config, full)
    lines = full.journal.read()
    part = tiny_tools(tmp_path / "part", family=family)
    seen = min(4, len(lines) // 2)
    for line in lines[:seen]:
        part.journal.write(**line)
    resumed = dense.copy()
    result = AxformerPrune().apply(resumed, config, part)
    assert resumed.structure == whole.structure
    assert result.facts["evaluations"] == len(lines) - seen + 1  # the base, and what was not in the journal
    # which rows were seen before a candidate fell may differ: what was learned of the rows is not in the journal
    told = [[(e["element"], e["accepted"], pytest.approx(e["best"], abs=1e-6)) for e in part.journal.read()]]
    assert told == [[(e["element"], e["accepted"], e["best"]) for e in lines]]


def test_a_k_that_cannot_bind_says_so(family, tmp_path):
    subject = tiny_subject(family)
    before = copy.deepcopy(subject.module.state_dict())
    result = HardAttention().apply(subject, HardAttention.Config(k=60), tiny_tools(tmp_path, family=family))
    assert "nothing to change" in result.note
    assert subject.structure.is_dense
    assert all(torch.equal(before[name], tensor) for name, tensor in subject.module.state_dict().items())
