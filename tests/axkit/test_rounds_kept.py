"""A budget's finished rounds lie on disk as models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.axformer.budget.kept import Kept
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.prune import AxformerPrune
from axkit.ground import stopwatch
from axkit.testing import lend, tiny_subject

SETTINGS = {"objective": "budget", "size": 1.5, "max_drop": 100.0, "rounds": 2, "recover": {"pass": "distill"}}


def recovering(tools, dies_at=99):
    """A training that moves the weights, and is killed once."""
    calls = [0]

    def recover(subject, setting):
        calls[0] += 1
        if calls[0] == dies_at:
            raise KeyboardInterrupt
        with torch.no_grad():
            for weight in subject.module.parameters():
                weight.mul_(1.01)
        return {}

    return replace(tools, run=recover), calls


def lent(folder):
    return lend(folder, teacher=tiny_subject(family_of("bert"), 1), rows=40)


def told(tools):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in tools.journal.read()]


@pytest.mark.parametrize("settings", [{"mend": False, "criterion": "calibrated_loss"}, {"criterion": "divergence"}])
def test_a_killed_search_goes_on_from_the_last_round(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(
        stopwatch,
        "taken",
        lambda _, module, *__: stopwatch.Taken(sum(p.numel() for p in module.parameters()) / 1e6, 0.0),
    )
    config = AxformerPrune.Config(**SETTINGS, **settings)
    whole, plain = tiny_subject(family_of("bert"), 1), lent(tmp_path / "whole")
    tools, calls = recovering(plain)
    expected = AxformerPrune().apply(whole, config, tools)
    rounds = calls[0]
    assert rounds >= 2, "premise"
    part = lent(tmp_path / "part")
    with pytest.raises(KeyboardInterrupt):
        AxformerPrune().apply(tiny_subject(family_of("bert"), 1), config, recovering(part, 2)[0])
    subject = tiny_subject(family_of("bert"), 1)
    tools, calls = recovering(part)
    assert AxformerPrune().apply(subject, config, tools) == expected
    assert calls[0] == rounds - 1, "the first round is not walked, nor trained, again"
    assert told(part) == told(plain)
    assert subject.structure == whole.structure
    ours, its = subject.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(ours[name], its[name]) for name in its)


def test_a_round_is_undone_by_what_is_on_disk(tmp_path):
    """Without a copy in memory; and what is tied stays tied."""
    subject, tools = tiny_subject(family_of("bert"), 1), lend(tmp_path)
    subject.module.extra = torch.nn.Module()
    subject.module.extra.tied = subject.module.classifier.weight
    before = {name: one.detach().clone() for name, one in subject.module.named_parameters()}
    structure = subject.structure
    kept = Kept(tools, Ledger(tools)).keep(0, subject, [])
    assert all(one.is_meta for one in kept._subject.module.parameters())
    subject.carve(structure.without_ffn(0))
    kept.put_back(subject)
    assert subject.structure == structure
    assert all(torch.equal(one, before[name]) for name, one in subject.module.named_parameters())
    assert subject.module.extra.tied is subject.module.classifier.weight
    with torch.inference_mode():
        subject.module(**tools.search.batch([0, 1]).inputs)


@pytest.mark.parametrize("damage", ["cut", "journal", "start"])
def test_what_cannot_be_gone_on_from_is_not(damage, tmp_path):
    subject, tools = tiny_subject(family_of("bert"), 1), lend(tmp_path)
    ledger = Ledger(tools)
    Kept(tools, ledger).keep(0 if damage == "start" else 1, subject, [])
    if damage == "cut":
        path = next(tools.scratch.glob("*.safetensors"))
        path.write_bytes(path.read_bytes()[:-40])
    if damage == "journal":  # a removal that the journal does not know
        from axkit.axformer.budget.lines import Point

        Kept(tools, ledger).keep(1, subject, [Point(1, "ffn/0", 1.1, 1.1, loss_search=0.5)])
    assert Kept(tools, Ledger(tools)).read(tiny_subject(family_of("bert"), 1)) is None
