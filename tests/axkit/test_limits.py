"""What a family file says that cannot be done is left out or refused, wherever something is cut."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from conftest import write_rows, write_trained_model
from limited import LIMITS, REASONS, limited

from axkit.anatomy.family import Family
from axkit.anatomy.surgery import check_first_token
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.search import greedy
from axkit.goal import Goal
from axkit.goal.look import Asked, look
from axkit.goal.rungs import Rungs
from axkit.goal.written import Draft
from axkit.ground import registry, stopwatch
from axkit.ground.errors import NotApplicable, PluginError
from axkit.kit import Calibration, cut_to
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.testing import check_family, check_pass, lend, logits_of, reload, tiny_split, tiny_subject
from axkit_plugins.quantize.q8bert import Q8bert


def priced(_, module, *__):
    """A machine on which time is arithmetic: a module costs its parameters."""
    return stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0)


@pytest.fixture(params=LIMITS, ids="+".join)
def limits(request):
    return request.param


@pytest.fixture
def family(limits):
    """BERT, whose file says that something cannot be done; known under its name as long as the test takes."""
    made = limited("bert", *limits)
    with registry.at_hand(registry.FAMILIES, "bert", made):
        yield made


def only_whole(structure, limits):
    """Whether blocks went whole or not at all, where the limits want that."""
    counts = {"heads": structure.n_heads, "neurons": structure.ffn_width}
    return all(
        len(getattr(layer, part)) in (0, counts[part])
        for layer in structure.layers
        for part in counts.keys() & set(limits)
    )


def test_a_family_with_limits_passes_its_own_test(family):
    check_family(family)


@pytest.mark.parametrize("name", ["albert", "gpt2"])
def test_so_does_one_of_shared_layers_and_one_that_is_fused(name):
    check_family(limited(name, "heads", "neurons"))


@pytest.mark.parametrize(("ability", "what"), [("heads", "heads"), ("neurons", "neurons")])
def test_that_test_sees_what_is_cut_though_it_is_declared_impossible(monkeypatch, ability, what):
    monkeypatch.setattr(Family, "refuse_limited", lambda self, ability: None)
    with pytest.raises(AssertionError, match=f"^{what}: removed, though limits says that it cannot be: its {what} "):
        check_family(limited("bert", ability))


def test_and_a_first_token_that_is_cut_all_the_same(monkeypatch):
    from axkit.anatomy import surgery

    monkeypatch.setattr(surgery, "check_first_token", lambda model, family: True)
    with pytest.raises(AssertionError, match=r"first token only: removed, though limits says .* needs every query"):
        check_family(limited("bert", "first_token_only"))


def test_a_reason_is_half_a_sentence(monkeypatch):
    whole = limited("bert").model_copy(update={"limits": {"heads": "Its heads are one."}})
    with pytest.raises(AssertionError, match="leave out its full stop"):
        check_family(whole)
    monkeypatch.setitem(REASONS, "heads", "")
    with pytest.raises(PluginError, match=r"mine.toml is not valid .limits.heads: String should have at least 1 char"):
        limited("bert", "heads")


def test_a_cut_that_is_refused_has_cut_nothing(family, limits, tmp_path):
    subject = tiny_subject(family)
    before, answers = subject.structure, logits_of(subject.module, tiny_split())
    fewer = before.without_ffn(0).without_attention(0)
    wanted = {
        "heads": fewer.without_heads(2, [1]),
        "neurons": fewer.without_neurons(2, [1]),
        "first_token_only": type(before)(fewer.layers, before.n_heads, before.ffn_width, first_token_only=True),
    }
    calibration = Calibration(lend(tmp_path).train, 16)
    for ability in limits:
        for cut in (subject.carve, lambda then: cut_to(subject, then, calibration)):
            with pytest.raises(NotApplicable, match=rf"{REASONS[ability]}; (remove|leave) "):
                cut(wanted[ability])
            assert subject.structure == before
            assert torch.equal(logits_of(subject.module, tiny_split()), answers)
    subject.carve(fewer)


@pytest.mark.parametrize("mend", [False, True])
def test_the_papers_search_leaves_out_what_cannot_go_and_says_so(family, limits, tmp_path, mend):
    tried = set()
    for vote in (0.2, 0.5):  # without limits one comes near to a block of attention, one to a feed-forward block
        subject, tools = tiny_subject(family), lend(tmp_path / f"{vote}", rows=40, family=family)
        result = AxformerPrune().apply(subject, AxformerPrune.Config(vote=vote, mend=mend), tools)
        tried |= {line["element"] for line in tools.journal.read()}
        assert only_whole(subject.structure, limits)
        assert not subject.structure.is_dense
        assert subject.structure.first_token_only != ("first_token_only" in limits)
        assert [REASONS[ability] in result.note for ability in REASONS] == [one in limits for one in REASONS]
        again = reload(subject, subject.reader)
        assert torch.equal(logits_of(again.module, tiny_split()), logits_of(subject.module, tiny_split()))
    assert {f"{what}/{layer}" for what in ("attention", "ffn") for layer in range(3)} <= tried
    assert any("/head/" in one for one in tried) != ("heads" in limits)
    assert any("/group/" in one for one in tried) != ("neurons" in limits)


def test_looks_that_are_never_taken_do_not_count(monkeypatch, tmp_path):
    told = []

    def begin(*given, **named):
        told.append(given[3])
        raise KeyboardInterrupt

    monkeypatch.setattr(greedy, "begin", begin)
    for limits in ((), ("heads",), ("heads", "neurons")):
        with suppress(KeyboardInterrupt):
            family = limited("bert", *limits)
            AxformerPrune().apply(tiny_subject(family), AxformerPrune.Config(), lend(tmp_path, family=family))
    assert told == [3 * (2 + 12 + 4), 3 * (2 + 12), 3 * 2]


def test_a_first_token_that_nobody_asks_for_is_not_told(tmp_path):
    family = limited("bert", "first_token_only")
    config = AxformerPrune.Config(first_token_only=False, tolerance=0.3, vote=0.2)
    result = AxformerPrune().apply(tiny_subject(family, 1), config, lend(tmp_path, family=family))
    assert "first token" not in result.note


def test_hard_attention_goes_by_the_limit_of_the_first_token(family, limits, tmp_path):
    subject, tools = tiny_subject(family, 1), lend(tmp_path, rows=40, family=family)
    assert check_first_token(subject.module, family) != ("first_token_only" in limits)
    result = HardAttention().apply(subject, HardAttention.Config(k=4, vote=0.2), tools)
    found = tools.search.evaluate(subject.module)
    assert found.loss == pytest.approx(result.facts["search_loss_after_nats"], abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"mend": False}], ids=["mended", "bare"])
def test_a_budget_is_reached_by_what_can_go(family, limits, tmp_path, monkeypatch, settings):
    monkeypatch.setattr(stopwatch, "taken", priced)
    subject = tiny_subject(family, 1)
    tools = lend(tmp_path, teacher=tiny_subject(family, 1).module, rows=40, family=family)
    config = AxformerPrune.Config(
        objective="budget", max_drop=100.0, criterion="divergence", speedup=1.5, size=1.3, **settings
    )
    result = AxformerPrune().apply(subject, config, tools)
    assert only_whole(subject.structure, limits)
    assert not subject.structure.is_dense
    assert result.tables["frontier"][-1]["size"] >= 1.3
    assert all(REASONS[ability] in result.note for ability in limits)


@pytest.mark.parametrize("abilities", [("heads",), tuple(REASONS)], ids="+".join)
def test_a_pass_with_a_state_is_tried_with_cuts_of_what_can_go(abilities):
    family = limited("bert", *abilities)
    check_pass(Q8bert, family, "q8bert", engine=False, again=False, epochs=1.0, learning_rate=1e-3)
    check_pass(AxformerPrune, family, "axformer_prune", engine=False, again=False)


def test_compress_writes_recipes_that_its_own_plan_takes(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    write_trained_model(tmp_path / "model", "bert")
    write_rows(tmp_path / "all.jsonl", 200, 1)
    looked, goal = look("model", "all.jsonl", Asked()), Goal(speedup=3, size=2)
    rungs = Rungs(goal, looked)
    for rung in (rungs.stored("int8"), rungs.mended(2.0, 1.5, "int8"), rungs.trained(2.5, 1.5, "bf16", 2.0)):
        made = plan(read_source(Draft("x", looked, goal, rung.passes).text(tmp_path), "x.yaml", (), tmp_path))
        assert made.family is family
        assert [step.name for step in made.steps] == [one.name for one in rung.passes]
