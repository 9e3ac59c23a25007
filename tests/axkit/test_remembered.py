"""A teacher is asked once in a run about the same rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.axformer.screen.evaluate import dense_logits
from axkit.kit.remembered import remembered
from axkit.kit.train import distillation
from axkit.tasks.unlabelled import Answers
from axkit.testing import lend, tiny_subject
from axkit_plugins.distill import Distill


class Counted:
    def __init__(self, real):
        self.real, self.calls = real, 0

    def __call__(self, *args, **named):
        self.calls += 1
        return self.real(*args, **named)


def test_it_is_known_by_what_it_is_of():
    memo, one, other = {}, [1], [1]
    assert remembered(memo, "sum", (one,), (1,), lambda: "made") == "made"
    assert remembered(memo, "sum", (one,), (1,), lambda: "again") == "made"
    assert remembered(memo, "sum", (one,), (2,), lambda: "how") == "how"
    assert remembered(memo, "sum", (other,), (1,), lambda: "whose") == "whose", "equal is not the same"
    assert remembered(memo, "mean", (one,), (1,), lambda: "what") == "what"
    assert remembered(memo, "none", (one,), (), lambda: None) is None


def test_a_second_distillation_asks_no_more(tmp_path, monkeypatch):
    counted = Counted(distillation.row_logits)
    monkeypatch.setattr(distillation, "row_logits", counted)
    family, found = family_of("bert"), []
    tools = lend(tmp_path / "first", teacher=tiny_subject(family, 1))
    for again in (tools, replace(lend(tmp_path / "second"), teacher=tools.teacher, train=tools.train, memo=tools.memo)):
        subject = tiny_subject(family, 2)
        Distill().apply(subject, Distill.Config(epochs=1, batch_size=8), again)
        found.append(subject.module.state_dict())
    assert counted.calls == 1
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    other = replace(tools, train=lend(tmp_path / "other").train)
    Distill().apply(tiny_subject(family, 2), Distill.Config(epochs=1), other)
    assert counted.calls == 2, "other rows"


def test_rounds_of_a_walk_go_by_the_same_answers(tmp_path, monkeypatch):
    counted = Counted(Answers.of)
    monkeypatch.setattr(Answers, "of", counted)
    tools = lend(tmp_path, teacher=tiny_subject(family_of("bert"), 1), rows=40)
    tools = replace(tools, dense_search=tools.search)
    first = dense_logits(replace(tools, search=tools.search.first(20)))
    again = dense_logits(replace(tools, search=tools.search.first(20)))
    assert again is first
    assert counted.calls == 1
    dense_logits(tools)
    assert counted.calls == 2, "more rows"


def test_a_control_finds_nothing_of_the_dense_model(tmp_path):
    from axkit.run.walk import Walk

    walk = object.__new__(Walk)
    walk.bench = type("Bench", (), {"dense": 1, "memo": {"teacher's logits": {}}})()
    walk.let_go()
    assert walk.bench.dense is None
    assert walk.bench.memo == {}


@pytest.mark.parametrize("teacher", ["dense", "folder"])
def test_only_the_dense_model_is_remembered(teacher, tmp_path, monkeypatch):
    """Another is opened for one pass, and let go with it."""
    tools = lend(tmp_path, teacher=tiny_subject(family_of("bert"), 1))
    monkeypatch.setattr(distillation, "teacher_of", lambda *_: tiny_subject(family_of("bert"), 3))
    config = Distill.Config(epochs=1, batch_size=16).model_copy(update={"teacher": teacher})
    Distill().apply(tiny_subject(family_of("bert"), 2), config, tools)
    assert bool(tools.memo) == (teacher == "dense")
