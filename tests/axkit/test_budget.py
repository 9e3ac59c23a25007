from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from axkit.anatomy.family import family_of
from axkit.axformer.budget import clock, rounds
from axkit.axformer.budget.importance import importance
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.budget.lines import Took
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.screen.evaluate import Evaluator, evaluator
from axkit.ground import registry, stopwatch
from axkit.ground.errors import NotApplicable
from axkit.ground.processes import Processes
from axkit.measure import certainty
from axkit.testing import lend, tiny_split, tiny_subject, tiny_tokenizer


@pytest.fixture
def steady(monkeypatch):
    """A machine on which time is arithmetic: a module costs its parameters."""

    def priced(_, module, *__):
        return stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0)

    monkeypatch.setattr(stopwatch, "taken", priced)


def made(family, tmp_path, **settings):
    subject = tiny_subject(family, 1)
    tools = lend(tmp_path, teacher=tiny_subject(family, 1).module, rows=40)
    config = AxformerPrune.Config(objective="budget", **{"max_drop": 100.0, "criterion": "calibrated_loss"} | settings)
    return subject, tools, AxformerPrune().apply(subject, config, tools)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("name", ["bert", "distilbert", "albert", "gpt2", "modernbert"])
def test_the_size_target_is_reached_and_true(name, tmp_path):
    family = family_of(name)
    subject, tools, result = made(family, tmp_path, size=1.5, rounds=2)
    dense, left = (sum(p.numel() for p in m.parameters()) for m in (tiny_subject(family, 1).module, subject.module))
    assert dense / left >= 1.45
    assert result.tables["frontier"][-1]["size"] >= 1.5
    logits = subject.module(**tools.search.batch([0, 1]).inputs).logits
    assert torch.isfinite(logits).all()


@pytest.mark.usefixtures("steady")
def test_what_one_round_timed_holds_in_the_next(tmp_path):
    """Also when the first layer has shrunk in between."""
    family = family_of("bert")
    teacher = tiny_subject(family, 1).module
    tools = lend(tmp_path, teacher=teacher, rows=40)
    ledger = Ledger(tools)

    def carved(structure):
        subject = tiny_subject(family, 1)
        subject.carve(structure)
        return subject

    def clock_of(structure, name):
        bench = evaluator(carved(structure), tools, AxformerPrune.Config()).bench
        return clock.started(bench, tools, ledger, name)

    def price(structure):
        return sum(p.numel() for p in carved(structure).module.parameters()) / sum(
            p.numel() for p in teacher.parameters()
        )

    dense = tiny_subject(family).structure
    first, cut = clock_of(dense, "1"), range(8)
    assert first.share(dense.without_neurons(1, cut)) == pytest.approx(price(dense.without_neurons(1, cut)))
    small = dense.without_ffn(0).without_heads(0, [1, 2])
    assert clock_of(small, "2").share(small.without_neurons(1, cut)) == pytest.approx(
        price(small.without_neurons(1, cut))
    )


@pytest.mark.usefixtures("steady")
def test_a_round_that_is_too_dear_is_undone(tmp_path, monkeypatch):
    family = family_of("bert")
    monkeypatch.setattr(rounds.BudgetSearch, "_cost", lambda self, now: 50.0)
    subject, _, result = made(family, tmp_path, size=1.3, max_drop=1.0)
    assert subject.structure == tiny_subject(family, 1).structure or subject.structure.first_token_only
    assert all(len(layer.heads) == 4 and len(layer.neurons) == 24 for layer in subject.structure.layers)
    assert "undone" in result.note


class Unsteady:
    """A machine that takes another time for the same each time it is asked."""

    def __init__(self):
        self.random = np.random.default_rng(0)

    def __call__(self, _, module, *__):
        priced = sum(p.numel() for p in module.parameters()) / 1e6
        return stopwatch.Taken(priced * self.random.uniform(1, 1.3), 0.0)


def resumable(folder, lines=()):
    tools = lend(folder, teacher=tiny_subject(family_of("bert"), 1).module, rows=40)
    for line in lines:
        tools.journal.write(**line)

    def recover(subject, setting):
        with torch.no_grad():
            subject.module.classifier.weight.mul_(1.01)
        return {}

    return dataclasses.replace(tools, run=recover)


def without_seconds(lines):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_a_killed_search_decides_as_if_undisturbed_whenever_it_was_killed(tmp_path, monkeypatch):
    """Also where every timing comes out another way: what decided is in the journal, once."""
    unsteady = Unsteady()
    monkeypatch.setattr(stopwatch, "taken", unsteady)
    settings = {"speedup": 1.5, "size": 1.2, "rounds": 2, "recover": {"pass": "distill"}}
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="calibrated_loss", **settings)
    whole, tools = tiny_subject(family_of("bert"), 1), resumable(tmp_path / "whole")
    expected = AxformerPrune().apply(whole, config, tools)
    lines = tools.journal.read()
    assert {"at", "shape", "accepted"} <= {name for line in lines for name in line}
    evaluated = []
    real = Evaluator.estimate
    monkeypatch.setattr(Evaluator, "estimate", lambda self, run: (evaluated.append(1), real(self, run))[1])
    for cut in (1, len(lines) // 3, 2 * len(lines) // 3, len(lines) - 1, len(lines)):
        evaluated.clear()
        subject, again = tiny_subject(family_of("bert"), 1), resumable(tmp_path / f"{cut}", lines[:cut])
        result = AxformerPrune().apply(subject, config, again)
        found = without_seconds(again.journal.read())
        assert found[:cut] == without_seconds(lines[:cut])
        assert not [line for line in found if found.count(line) > 1], "no line is doubled"
        assert len(evaluated) == sum("at" in line for line in found[cut:]), "nothing is evaluated twice"
        if cut == len(lines):  # what was not timed yet comes out another way here
            assert (subject.structure, result, len(found)) == (whole.structure, expected, cut)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_killed_search_ends_as_the_undisturbed_one(share, tmp_path):
    settings = {"speedup": 1.4, "size": 1.2, "rounds": 2, "recover": {"pass": "distill"}}
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="calibrated_loss", **settings)
    whole, tools = tiny_subject(family_of("bert"), 1), resumable(tmp_path / "whole")
    expected = AxformerPrune().apply(whole, config, tools)
    lines = tools.journal.read()
    subject, again = tiny_subject(family_of("bert"), 1), resumable(tmp_path / "cut", lines[: int(share * len(lines))])
    assert AxformerPrune().apply(subject, config, again) == expected
    assert subject.structure == whole.structure
    assert without_seconds(again.journal.read()) == without_seconds(lines)
    assert all(torch.equal(a, b) for a, b in zip(*map(values, (subject, whole)), strict=True))


def values(subject):
    return subject.module.state_dict().values()


def renumbered(subject):
    """A tokenizer that gives the words other ids, and a model that knows them by these."""
    made = json.loads(tiny_tokenizer().backend_tokenizer.to_str())
    words = made["model"]["vocab"]
    last = max(words.values())
    moved = {word: id if id < 4 else 4 + last - id for word, id in words.items()}
    made["model"]["vocab"] = moved
    tokenizer = tiny_tokenizer()
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(made))
    with torch.no_grad():
        weight = subject.module.get_input_embeddings().weight
        weight[list(moved.values())] = weight[list(words.values())].clone()
    return tokenizer


def test_the_dense_model_is_scored_and_timed_on_its_own_ids(tmp_path, monkeypatch):
    """After a pass that changed the ids; asked with the new ones it would answer something else."""
    family = family_of("bert")
    dense, subject = tiny_subject(family, 1), tiny_subject(family, 1)
    tools = lend(tmp_path, teacher=dense.module, rows=40)
    new = renumbered(subject)
    split = tiny_split(40, 2, new)
    assert split.evaluate(subject.module).loss == pytest.approx(tools.search.evaluate(dense.module).loss, abs=1e-6)
    own = tools.search.evaluate(dense.module)
    assert abs(split.evaluate(dense.module).loss - own.loss) > 1e-3, "the new ids mean something else to it"
    lent = dataclasses.replace(tools, search=split, reader=new, dense_search=tools.search)
    asked = []
    embeddings = dense.module.get_input_embeddings()
    embeddings.register_forward_pre_hook(lambda module, args: asked.append(args[0].clone()))
    config = AxformerPrune.Config(objective="budget", max_drop=100.0, criterion="calibrated_loss", speedup=1.2)
    found = []
    real = rounds.BudgetSearch.run
    monkeypatch.setattr(rounds.BudgetSearch, "run", lambda self: (found.append(self), real(self))[1])
    AxformerPrune().apply(subject, config, lent)
    assert found[0].dense.loss == pytest.approx(own.loss, abs=1e-6)
    rows = {tuple(row[row != 0].tolist()) for ids in asked for row in ids}
    assert rows
    assert rows <= {tuple(one) for one in tools.search.examples["input_ids"]}


def test_a_shared_layer_counts_in_all_its_turns():
    family = family_of("albert")
    subject, split = tiny_subject(family, 1), tiny_split(32)
    heads, neurons = importance(subject, split, 8)
    for role, found in (("attention_out", heads[0]), ("ffn_out", neurons[0])):
        out = getattr(subject.layers[0], role)
        switch = torch.ones(32, out.in_features, requires_grad=True)  # a row's columns, in every turn

        def switched(_, args, switch=switch):
            return (args[0] * switch[: len(args[0]), None, :],)

        handle = out.register_forward_pre_hook(switched)
        with torch.enable_grad():
            batch = split.batch(range(32))
            split.kind.losses(split.kind.logits(subject.module(**batch.inputs)), batch.labels).sum().backward()
        handle.remove()
        rows = switch.grad.view(32, len(found), -1).sum(-1).abs()
        assert torch.allclose(found, rows.mean(0), rtol=1e-3, atol=1e-6), role


class Second(Processes):
    """A process that does not write; the first one says 0.25 to everything."""

    rank, count = 1, 2

    def measured(self, measure):
        return [0.25, 0.25]


def test_a_process_that_does_not_write_goes_by_what_the_first_one_timed(tmp_path):
    tools = dataclasses.replace(lend(tmp_path), processes=Second())
    ledger = Ledger(tools)
    assert ledger.ratios(["a", "b"], lambda: pytest.fail("timed here, too")) == [0.25, 0.25]
    ledger.took(Took("x", 0.5, 1.25, 1.1))
    assert not tools.journal.read()


def test_what_needs_the_dense_model_says_so():
    prune, structured = AxformerPrune(), registry.get(registry.PASSES, "structured")()
    assert prune.needs_of(AxformerPrune.Config()) == {"search"}
    wanted = AxformerPrune.Config(objective="budget", speedup=2.0)
    assert prune.needs_of(wanted) == {"search", "dense", "train"}
    assert prune.needs_of(wanted.model_copy(update={"mend": False})) == {"search", "dense"}
    assert structured.needs_of(structured.Config(ratio=0.3)) == {"train"}
    assert "dense" in structured.needs_of(structured.Config(speedup=2.0))


def test_targets_and_objective_go_together():
    family = family_of("bert")
    check = AxformerPrune().check
    with pytest.raises(NotApplicable, match="no target"):
        check(family, AxformerPrune.Config(objective="budget"))
    for settings, said in (
        ({"objective": "budget", "speedup": 2, "vote": 0.1}, "'vote' is for objective accuracy"),
        ({"objective": "budget", "speedup": 2, "search_rows": 100}, "'search_rows' is for objective accuracy"),
        ({"objective": "budget", "speedup": 2, "groups": 6}, "'groups' is for objective accuracy"),
        ({"max_drop": 3}, "'max_drop' is for objective budget"),
    ):
        with pytest.raises(NotApplicable, match=said):
            AxformerPrune().check(family_of("bert"), AxformerPrune.Config(**settings))
    with pytest.raises(NotApplicable, match="objective: budget"):
        check(family, AxformerPrune.Config(speedup=2.0))


def test_the_bound_of_a_drop_is_above_the_drop(tmp_path):
    tools = lend(tmp_path, rows=40)
    one, other = (tools.search.evaluate(tiny_subject(family_of("bert"), seed).module) for seed in (0, 1))
    drop = one.score - other.score
    assert certainty.drop_bound(tools.search, one, other, 0.95) >= drop
    assert certainty.drop_bound(tools.search, one, one, 0.95) == 0
