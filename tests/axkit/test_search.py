"""The fast search decides, candidate by candidate, as a plain loop over single rows that only masks."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from oracle import search as oracle_search

from axkit.anatomy.family import family_of
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.run.journal import FileJournal
from axkit.testing import lend, tiny_subject

SETTINGS = [{}, {"vote": 0.3}, {"tolerance": 0.3, "vote": 0.2}, {"tolerance": 1.0, "vote": 0.0}]


def single_rows(split):
    return [(split.batch([i]).inputs, split.batch([i]).labels) for i in range(len(split))]


@pytest.mark.parametrize(("seed", "settings"), [(i % 2, settings) for i, settings in enumerate(SETTINGS)])
def test_pruning_equals_the_oracle(family, settings, seed, tmp_path):
    subject = tiny_subject(family, seed)
    tools = lend(tmp_path, rows=30, family=family)
    expected, best = oracle_search(subject.module, family.model_type, 4, 24, single_rows(tools.search), **settings)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(**settings), tools)
    journal = tools.journal.read()
    assert [(e["element"], e["accepted"]) for e in journal] == expected
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)
    assert any(accepted for _, accepted in expected) or not settings or family.shared_layers


@pytest.mark.parametrize(("seed", "k"), [(1, 6), (2, 3)])
def test_hard_attention_equals_the_oracle(family, k, seed, tmp_path):
    subject = tiny_subject(family, seed)
    tools = lend(tmp_path, rows=40, family=family)
    expected, best = oracle_search(subject.module, family.model_type, 4, 24, single_rows(tools.search), k=k)
    result = HardAttention().apply(subject, HardAttention.Config(k=k), tools)
    assert [(e["element"], e["accepted"]) for e in tools.journal.read()] == expected
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("seed", [2])
def test_both_phases_equal_the_oracle(family, seed, tmp_path):
    """The vote of phase 2 still compares with the dense model, the loss with what phase 1 left."""
    dense = tiny_subject(family, seed)
    rows = single_rows(lend(tmp_path, rows=40, family=family).search)
    hard, _ = oracle_search(dense.module, family.model_type, 4, 24, rows, k=4, vote=0.3)
    layers = {int(element.split("/")[1]): 4 for element, accepted in hard if accepted}
    prune, best = oracle_search(dense.module, family.model_type, 4, 24, rows, vote=0.3, hard=layers)
    one, two = lend(tmp_path / "1", rows=40, family=family), lend(tmp_path / "2", rows=40, family=family)
    HardAttention().apply(dense, HardAttention.Config(k=4, vote=0.3), one)
    result = AxformerPrune().apply(dense, AxformerPrune.Config(vote=0.3), two)
    found = [(e["element"], e["accepted"]) for e in one.journal.read() + two.journal.read()]
    assert found == hard + prune
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-6)


def test_a_bias_that_all_layers_share_and_one_token_equal_the_oracle(tmp_path):
    test_both_phases_equal_the_oracle(family_of("mpnet"), 0, tmp_path)


def test_what_was_found_is_what_the_model_has(family, tmp_path):
    """The loss that the search ended with is the loss of the carved model, evaluated afresh."""
    subject = tiny_subject(family, 1)
    tools = lend(tmp_path, family=family)
    HardAttention().apply(subject, HardAttention.Config(k=4), tools)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(vote=0.2), tools)
    evaluation = tools.search.evaluate(subject.module)
    assert evaluation.loss == pytest.approx(result.facts["search_loss_after_nats"], abs=1e-6)


class Dies(FileJournal):
    """Kills the search after some lines, before or after what was learned by the last is on disk."""

    def __init__(self, path, lines, late):
        super().__init__(path)
        self.left, self.late = lines, late

    def write(self, **entry):
        if not self.late and not self.left:
            raise KeyboardInterrupt
        super().write(**entry)
        self.left -= 1
        if self.late and not self.left:
            raise KeyboardInterrupt


def told(journal):
    """All but the seconds."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in journal.read()]


@pytest.mark.parametrize("late", [True, False])
def test_a_killed_search_ends_with_the_bits_of_an_undisturbed_one(family, tmp_path, late):
    dense = tiny_subject(family, 1)
    config = AxformerPrune.Config(tolerance=0.3, vote=0.2, groups=3)
    whole, full = dense.copy(), lend(tmp_path / "full", family=family)
    AxformerPrune().apply(whole, config, full)
    expected = told(full.journal)
    part = lend(tmp_path / "part", family=family)
    path, sequel = part.journal.path, dense.copy()
    for lines in (1, len(expected) // 3, len(expected) // 3 + 2):  # of each life; the last one ends by itself
        with contextlib.suppress(KeyboardInterrupt):
            AxformerPrune().apply(dense.copy(), config, replace(part, journal=Dies(path, lines, late)))
    AxformerPrune().apply(sequel, config, part)
    assert told(part.journal) == expected
    assert sequel.structure == whole.structure
    ours, its = sequel.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(ours[name], its[name]) for name in its)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-40])])
def test_a_search_that_forgot_what_it_had_learned_starts_anew(tmp_path, damage):
    dense, config = tiny_subject(family_of("bert"), 1), AxformerPrune.Config(tolerance=0.3, vote=0.2)
    whole, full = dense.copy(), lend(tmp_path / "full", family=family_of("bert"))
    AxformerPrune().apply(whole, config, full)
    part = lend(tmp_path / "part", family=family_of("bert"))
    with pytest.raises(KeyboardInterrupt):
        AxformerPrune().apply(dense.copy(), config, replace(part, journal=Dies(part.journal.path, 4, True)))
    for path in part.scratch.glob("search-*"):
        damage(path)
    sequel = dense.copy()
    AxformerPrune().apply(sequel, config, part)
    assert told(part.journal) == told(full.journal)
    assert sequel.structure == whole.structure


def test_a_k_that_cannot_bind_says_so(family, tmp_path):
    subject = tiny_subject(family)
    before = copy.deepcopy(subject.module.state_dict())
    result = HardAttention().apply(subject, HardAttention.Config(k=60), lend(tmp_path, family=family))
    assert "nothing to change" in result.note
    assert subject.structure.is_dense
    assert all(torch.equal(before[name], tensor) for name, tensor in subject.module.state_dict().items())
