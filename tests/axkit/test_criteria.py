from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import search as oracle_search
from pydantic import ValidationError

from axkit.anatomy.family import family_of
from axkit.axformer.bench.hidden import HiddenStates, Shelf
from axkit.axformer.bench.order import Limits, Padded, hard_first
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.rule.criteria import CRITERIA
from axkit.axformer.rule.guards import Confirm, NoGuard, PairedTest, gain_p_value
from axkit.axformer.rule.stakes import Stakes
from axkit.axformer.screen.error import Screen
from axkit.axformer.screen.sheet import sheet_of
from axkit.tasks.kinds.known import KINDS
from axkit.testing import lend, tiny_split, tiny_subject


def test_confidence_alone_decides_nothing():
    """Logits times anything have the same calibrated loss; their plain loss differs."""
    split = tiny_split(200)
    torch.manual_seed(0)
    labels = torch.as_tensor(split.labels)
    logits = torch.randn(200, 2) + 1.5 * torch.nn.functional.one_hot(labels, 2)
    every = np.arange(200)
    values = {}
    for name in ("loss", "calibrated_loss"):
        criterion = CRITERIA[name](split)
        values[name] = [criterion.value(criterion.see(logits * scale, labels, every), every) for scale in (1.0, 0.1)]
    assert values["calibrated_loss"][0] == pytest.approx(values["calibrated_loss"][1], abs=1e-6)
    assert abs(values["loss"][0] - values["loss"][1]) > 0.1


def test_the_temperature_is_the_best_one():
    kind = KINDS["classification"]
    torch.manual_seed(1)
    labels = torch.randint(0, 3, (300,))
    logits = 4 * (torch.randn(300, 3) + torch.nn.functional.one_hot(labels, 3))
    found = kind.losses(kind.calibrated(logits, labels), labels).mean()
    tried = [kind.losses(logits / t, labels).mean() for t in np.geomspace(0.1, 15, 200)]
    assert found <= min(tried) + 1e-6


def test_a_calibrated_score_is_the_best_rising_line():
    kind = KINDS["regression"]
    labels = torch.linspace(0, 5, 50)
    assert kind.losses(kind.calibrated((3 * labels - 7)[:, None], labels), labels).max() < 1e-8
    falling = kind.calibrated((-labels)[:, None], labels)
    assert torch.allclose(falling, falling.mean().expand_as(falling)), "it must not turn the order round"


def test_the_metric_criterion_is_the_error():
    split = tiny_split(50)
    labels = torch.as_tensor(split.labels)
    right = 5.0 * torch.nn.functional.one_hot(labels, 2).float()
    criterion = CRITERIA["metric"](split)
    assert criterion.value(criterion.see(right, labels, np.arange(50)), np.arange(50)) == 0
    assert criterion.value(criterion.see(-right, labels, np.arange(50)), np.arange(50)) == 1


@pytest.mark.parametrize("criterion", ["calibrated_loss", "metric"])
def test_other_criteria_search_and_carve(family, criterion, tmp_path):
    subject, tools = tiny_subject(family, 1), lend(tmp_path, family=family)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(criterion=criterion, vote=0.0), tools)
    assert result.facts["search_loss_after_nats"] <= result.facts["search_loss_before_nats"]
    assert any(line["accepted"] for line in tools.journal.read())


def test_guards():
    split = tiny_split(400)
    criterion, random = CRITERIA["loss"](split), np.random.default_rng(0)
    now = random.random((400, 1)) + 1
    better, luck = now - 0.05, now.copy()
    luck[:100:4] -= 1.0  # all the gain is in one quarter of the rows
    luck[1::4] += 0.01
    assert NoGuard(400, 10, 0.05).believes(criterion, now, luck, 0)
    for guard in (Confirm(400, 10, 0.05), PairedTest(400, 10, 0.05)):
        assert guard.believes(criterion, now, better + 0.01 * random.random((400, 1)), 1)
    assert not Confirm(400, 10, 0.05).believes(criterion, now, luck, 1)
    noise = now + random.normal(-0.01, 0.5, (400, 1))
    assert not PairedTest(400, 500, 0.05).believes(criterion, now, noise, 0)


def test_p_value_of_a_gain_is_uniform_without_one():
    random = np.random.default_rng(0)
    found = [gain_p_value(random.normal(0, 1, 200)) for _ in range(400)]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09
    assert gain_p_value(np.zeros(5)) == 1
    assert gain_p_value(np.ones(5)) == 0


@pytest.mark.parametrize("guard", ["confirm", "paired_test"])
def test_a_guard_accepts_no_more_than_the_paper(plain_family, guard, tmp_path):
    counts = {}
    for name in ("none", guard):
        tools = lend(tmp_path / name, family=plain_family)
        AxformerPrune().apply(tiny_subject(plain_family, 1), AxformerPrune.Config(guard=name, vote=0.0), tools)
        counts[name] = [line["accepted"] for line in tools.journal.read()].count(True)
    assert counts[guard] <= counts["none"]


def test_cached_states_past_the_limit_go_to_a_file_with_the_same_decisions(family, tmp_path):
    found, facts = [], []
    for gib in (1.0, 0.0):
        subject, tools = tiny_subject(family, 1), lend(tmp_path / str(gib), family=family)
        facts.append(AxformerPrune().apply(subject, AxformerPrune.Config(cache_gib=gib, vote=0.2), tools).facts)
        found.append(tools.journal.read())
    for one, other in zip(*found, strict=True):
        assert (one["element"], one["accepted"]) == (other["element"], other["accepted"])
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert facts[0]["cached_disk_bytes"] == 0 == facts[1]["cached_memory_bytes"]
    kept = facts[0]["cached_memory_bytes"], facts[1]["cached_disk_bytes"]
    # one layer computed many times has no other below it: nothing to keep
    assert kept == (0, 0) if family.shared_layers else min(kept) > 0


def test_states_are_kept_by_row_whatever_the_batch():
    split = tiny_split(20)
    kept = HiddenStates(Shelf(1e9), [8], split.lengths)
    batch = split.batch([3, 7, 1])
    hidden = torch.randn(*batch.inputs["input_ids"].shape, 8)
    kept.put(0, kept.places(batch), hidden)
    alone = split.batch([7])
    assert torch.equal(kept.get(0, kept.places(alone))[0], hidden[1, : split.lengths[7]])


def test_hard_rows_come_first_and_no_batch_straddles_a_cut():
    random = np.random.default_rng(0)
    losses, lengths = random.random(100), random.integers(3, 30, 100)
    tiers = hard_first(losses, lengths, Limits(16, (10,)))
    assert sorted(row for tier in tiers for batch in tier for row in batch) == list(range(100))
    worst = [min(losses[row] for batch in tier for row in batch) for tier in tiers]
    assert worst == sorted(worst, reverse=True)
    for batch in (batch for tier in tiers for batch in tier):
        assert len({lengths[row] > 10 for row in batch}) == 1


def test_screening_changes_no_decision(family, tmp_path, monkeypatch):
    """On enough rows to be worth it, with a processor that says it has bfloat16."""
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    found, screened = [], 0
    for screening in ("none", "auto"):
        tools = lend(tmp_path / screening, rows=300, family=family)
        config = AxformerPrune.Config(screening=screening, vote=0.2)
        AxformerPrune().apply(tiny_subject(family, 2), config, tools)
        lines = tools.journal.read()
        screened += sum(line["screened"] for line in lines)
        found.append([(line["element"], line["accepted"]) for line in lines])
    assert found[0] == found[1]
    assert screened > 0 or family.shared_layers  # one layer's few candidates may all be too close for bfloat16


@pytest.mark.parametrize(("name", "criterion"), [("bert", "metric"), ("gpt2", "calibrated_loss")])
def test_screening_by_other_criteria_changes_no_decision(name, criterion, tmp_path, monkeypatch):
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    found, family = {}, family_of(name)
    for screening in ("none", "auto"):
        tools = lend(tmp_path / screening, rows=300, family=family)
        config = AxformerPrune.Config(criterion=criterion, screening=screening, vote=0.2)
        AxformerPrune().apply(tiny_subject(family, 2), config, tools)
        found[screening] = tools.journal.read()
    decided = {which: [(line["element"], line["accepted"]) for line in lines] for which, lines in found.items()}
    assert decided["none"] == decided["auto"]
    assert any(line["screened"] for line in found["auto"])
    assert all(line["whole"] and not line["screened"] for line in found["auto"] if line["accepted"])


def test_rows_weighed_together_bound_the_value_of_all():
    """By calibrated loss: closer than batches at their own temperatures, and never above the whole."""
    split, every = tiny_split(64), np.arange(64)
    torch.manual_seed(0)
    labels = torch.as_tensor(split.labels)
    criterion = CRITERIA["calibrated_loss"](split)
    kept = criterion.see(torch.randn(64, 2) + torch.nn.functional.one_hot(labels, 2), labels, every)
    sheet, alone = sheet_of(criterion, np.ones(64), every), 0.0
    for rows in np.split(every, 8):
        sheet.note(rows, kept[rows])
        least = sheet.totals()[0]
        alone += criterion.losses(kept[rows], rows).sum()
        assert least >= alone - 1e-9
        assert least <= 64 * criterion.value(kept, every) + 1e-9
    assert least == pytest.approx(64 * criterion.value(kept, every))
    assert least > alone + 0.1, "premise: batches have temperatures of their own"


def test_a_prediction_far_from_another_is_not_in_doubt():
    criterion = CRITERIA["metric"](tiny_split(4))
    low, labels = torch.tensor([[2.0, 0.0], [0.0, 0.06], [0.5, 0.0], [0.0, 3.0]]), torch.zeros(4, dtype=torch.long)
    kept = low.clone()
    kept[1] = torch.tensor([0.06, 0.0])  # float32 says the other class
    seen = [criterion.see(logits, labels, np.arange(4)) for logits in (low, kept)]
    swings = criterion.swings(*seen)
    assert swings == pytest.approx([0, -0.12, 0, 0])
    assert criterion.in_doubt(seen[0], 0.06).tolist() == [False, True, False, False]
    assert criterion.in_doubt(seen[0], 0.11).tolist() == [False, True, True, False]


def test_a_known_value_ends_what_it_refuses():
    stakes = Stakes(ceiling=0.22, bound=0.2, needed=50, vote_decides=False)
    totals = np.array([0.0, np.inf, 0.0, 80, 100, 10])
    assert stakes.known(0.2, totals).value == 0.2  # not below the bound
    assert stakes.known(0.3, totals).screened
    assert stakes.known(0.19, totals) is None  # it may be accepted: float32 sees all of it
    assert not stakes.known(0.19, np.array([0.0, np.inf, 0.0, 50, 100, 10])).whole
    assert stakes.known(0.3, np.array([0.0, np.inf, 0.0, 80, 100, 100])) is None  # all is known anyway


@pytest.mark.parametrize("promises", [False, True])
def test_a_screen_in_vain_changes_no_decision(family, promises, tmp_path, monkeypatch):
    """Given up early, or kept up to the end: then float32 sees all rows."""
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    monkeypatch.setattr("axkit.axformer.screen.look.Look._promises", lambda *_: promises)
    found = []
    for screening in ("none", "auto"):
        tools = lend(tmp_path / screening, rows=300, family=family)
        HardAttention().apply(tiny_subject(family, 2), HardAttention.Config(screening=screening, k=4), tools)
        found.append(tools.journal.read())
    for one, other in zip(*found, strict=True):
        assert (one["element"], one["accepted"]) == (other["element"], other["accepted"])
        if other["whole"]:
            assert not other["screened"]


def test_a_row_errs_as_rows_do_with_its_largest_loss():
    screen = Screen(np.array([2.0, 0.5, 0.0]), np.array([0.3, 0.2, 0.1]), np.array([3.0, 2.0, 1.0]))
    bias, spread = screen.error(np.array([0.0, 0.4, 0.5, 1.9, 2.0, 7.0]))
    assert spread.tolist() == [1, 1, 2, 2, 3, 3]
    assert bias.tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert screen.times(2).error(np.array([0.6]))[1] == 4


def test_a_near_miss_is_certain_where_bfloat16_leaves_no_doubt():
    """Of 100 rows in bfloat16: refused for its loss or by its votes, and surely below the ceiling."""
    block = Stakes(ceiling=1.1, bound=1.0, needed=50, vote_decides=False)

    def sealed(loss, votes, variance=0.01, exact=0, stakes=block):
        return stakes.sealed(np.array([100 * loss, 100 * loss, variance, votes, 100, exact]), 100, True)

    near = sealed(1.05, votes=80)
    assert near.screened
    assert not near.whole
    assert 1.0 < near.value < 1.05
    assert sealed(0.9, votes=50).value < 0.9  # outvoted
    assert sealed(1.2, votes=80).value > 1.1
    assert sealed(0.9, votes=80) is None  # it may be accepted
    assert sealed(1.05, votes=80, variance=4.0) is None  # it may be accepted, or not even near
    assert sealed(1.0999, votes=80) is None
    assert sealed(1.05, votes=80, exact=100) is None  # float32 has seen all: nothing to infer
    unseen = np.array([50.0, np.inf, 0.0, 10, 60, 60])
    assert block.sealed(unseen, 100, True) is None
    assert Stakes(1.0, 1.0, 50, vote_decides=True).sealed(unseen, 100, True).seen == 60


def test_k_can_be_a_list_tried_in_order(family, tmp_path):
    subject, tools = tiny_subject(family, 1), lend(tmp_path, family=family)
    HardAttention().apply(subject, HardAttention.Config(k=[6, 3, 0.5], vote=0.2), tools)
    lines = tools.journal.read()
    assert [line["element"] for line in lines[:3]] == ["hard/0/k/6", "hard/0/k/3", "hard/0/k/0.5"]
    last = {line["element"].split("/")[1]: line["element"].split("/")[3] for line in lines if line["accepted"]}
    assert last
    for layer, k in last.items():
        assert f"{subject.structure.layers[int(layer)].hard_k:g}" == k
    evaluation = tools.search.evaluate(subject.module)
    assert evaluation.loss == pytest.approx(lines[-1]["best"], abs=1e-6)


@pytest.mark.parametrize("name", ["bert", "deberta-v2", "distilbert", "roberta"])  # where a token sees all others
def test_a_share_keeps_that_share_of_each_length(name, tmp_path):
    """A padded batch and single rows agree, and each row is what the oracle has with its own K."""
    family = family_of(name)
    subject = tiny_subject(family, 1)
    split = lend(tmp_path, family=family).search
    subject.carve(subject.structure.change(1, hard_k=0.4))
    batch = split.batch([0, 1, 2, 3])
    with torch.inference_mode():
        together = subject.module(**batch.inputs).logits
        for place in range(4):
            alone = split.batch([place])
            assert torch.allclose(together[place], subject.module(**alone.inputs).logits[0], atol=1e-5)
            whole = tiny_subject(family, 1)
            whole.carve(whole.structure.change(1, hard_k=math.ceil(0.4 * int(split.lengths[place]))))
            assert torch.allclose(whole.module(**alone.inputs).logits[0], together[place], atol=1e-5)


def test_the_second_phase_decides_as_the_oracle_does(family, tmp_path):
    from dataclasses import replace

    subject = tiny_subject(family, 1)
    one, two = (lend(tmp_path / n, family=family) for n in "12")
    two = replace(two, search=one.search)
    HardAttention().apply(subject, HardAttention.Config(k=4, vote=0.3), one)
    AxformerPrune().apply(subject, AxformerPrune.Config(vote=0.3), two)
    rows = [(one.search.batch([i]).inputs, one.search.batch([i]).labels) for i in range(len(one.search))]
    dense = tiny_subject(family, 1).module
    hard, _ = oracle_search(dense, family.model_type, 4, 24, rows, k=4, vote=0.3)
    layers = {int(element.split("/")[1]): 4 for element, accepted in hard if accepted}
    prune, _ = oracle_search(dense, family.model_type, 4, 24, rows, vote=0.3, hard=layers)
    assert [(e["element"], e["accepted"]) for e in two.journal.read()] == prune


@pytest.mark.parametrize(("name", "side"), [("bert", "right"), ("gpt2", "left"), ("vit", None)])
def test_a_batch_cut_from_padded_rows_is_the_split_s_own(name, side, tmp_path):
    split = lend(tmp_path, family=family_of(name)).search
    if side:  # images are not padded
        split.tokenizer.padding_side = side
    padded = Padded(split)
    for rows in ([3], [5, 0, 2], list(range(8))):
        ours, its = padded.batch(rows), split.batch(rows)
        assert ours.inputs.keys() == its.inputs.keys()
        assert all(torch.equal(ours.inputs[key], its.inputs[key]) for key in its.inputs)
        assert torch.equal(ours.labels, its.labels)
        assert ours.rows.tolist() == its.rows.tolist() == rows


def test_hard_attention_is_not_offered_what_only_a_budget_can_go_by():
    with pytest.raises(ValidationError, match="'loss', 'calibrated_loss' or 'metric'"):
        HardAttention.Config(criterion="divergence")
    assert AxformerPrune.Config(objective="budget", size=2.0, criterion="divergence").criterion == "divergence"
    assert list(HardAttention.Config.model_fields)[:2] == list(AxformerPrune.Config.model_fields)[:2]
