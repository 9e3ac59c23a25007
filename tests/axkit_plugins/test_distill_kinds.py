"""Soft labels of every kind of task."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch
from torch.nn import functional

from axkit.anatomy.family import family_of
from axkit.kit import answers
from axkit.tasks.kinds import data
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split
from axkit.testing import lend, tiny_subject, tiny_tokenizer
from axkit_plugins.distill import Distill


def soft(kind, logits, wanted, labels, temperature=2.0):
    return KINDS[kind].soft_losses(logits, wanted, labels, temperature)


def test_soft_labels_are_the_divergence_at_the_temperature():
    torch.manual_seed(0)
    ours, theirs = torch.randn(2, 5, 3)
    expected = functional.kl_div((ours / 2).log_softmax(-1), (theirs / 2).softmax(-1), reduction="none").sum(-1) * 4
    assert torch.allclose(soft("classification", ours, theirs, torch.zeros(5)), expected, atol=1e-6)
    assert torch.allclose(
        soft("regression", ours[:, :1], theirs[:, :1], torch.zeros(5)), (ours - theirs)[:, 0].square(), atol=1e-6
    )
    p, q = (theirs / 2).sigmoid(), (ours / 2).sigmoid()
    binary = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean(-1) * 4
    assert torch.allclose(soft("multi_label", ours, theirs, torch.zeros(5, 3)), binary, atol=1e-5)
    for kind in ("classification", "regression", "multi_label"):
        width = 1 if kind == "regression" else 3
        assert soft(kind, ours[:, :width], ours[:, :width], torch.zeros(5)).abs().max() < 1e-6


def test_soft_labels_of_tags_leave_ignored_pieces_and_padding_alone():
    torch.manual_seed(0)
    ours, theirs = torch.randn(2, 2, 6, 3)
    labels = torch.tensor([[-100, 0, -100, 2, -100, -100], [-100] * 6])
    found = soft("token_classification", ours, theirs, labels)
    at = [1, 3]
    expected = functional.kl_div((ours[0, at] / 2).log_softmax(-1), (theirs[0, at] / 2).softmax(-1), reduction="sum")
    assert float(found[0]) == pytest.approx(float(expected) * 4 / 2, rel=1e-5)
    assert float(found[1]) == 0
    ours[0, [0, 2, 4, 5]] = 100
    assert torch.equal(soft("token_classification", ours, theirs, labels), found)


def test_soft_labels_of_answers_leave_padding_alone():
    torch.manual_seed(0)
    ours, theirs = torch.randn(2, 2, 6, 2)
    labels = torch.zeros(2, 6, 2, dtype=torch.long)
    labels[1, 4:] = -1
    ours.requires_grad_(True)
    found = soft("question_answering", ours, theirs, labels)
    expected = sum(
        functional.kl_div((ours[1, :4, i] / 2).log_softmax(-1), (theirs[1, :4, i] / 2).softmax(-1), reduction="sum") * 4
        for i in (0, 1)
    )
    assert float(found[1].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    found.sum().backward()
    assert torch.isfinite(ours.grad).all()
    assert ours.grad[1, 4:].abs().max() == 0
    assert ours.grad[1, :4].abs().min() > 0


WORDS = "film play story good bad dull bright fine poor great weak".split()


def rows_of(kind, count=48):
    """Random rows of a kind, as a split of a task."""
    draw = random.Random(0)
    texts, labels, names, fields = [], [], ("x", "y", "z"), {"text": "t", "label": "l"}
    for _ in range(count):
        words = [draw.choice(WORDS) for _ in range(draw.randint(4, 12))]
        if kind == "question_answering":
            texts.append(("was it good", " ".join(words)))
            labels.append([(0, words[0])])
            fields = {"text": ["q", "c"], "label": "a", "max_length": 30, "stride": 5}
        elif kind == "token_classification":
            texts.append(tuple(words))
            labels.append(tuple(draw.choice(names) for _ in words))
        else:
            texts.append((" ".join(words),))
            labels.append([draw.randint(0, 1) for _ in names])
    values = np.array(labels) if kind == "multi_label" else np.empty(count, dtype=object)
    if kind != "multi_label":
        values[:] = labels
    return Split(SplitRows(texts, values, names), TaskSpec(kind=kind, **fields), KINDS[kind], tiny_tokenizer(), 60)


@pytest.mark.parametrize("hidden", [0.0, 0.5])
@pytest.mark.parametrize("kind", ["question_answering", "token_classification", "multi_label"])
def test_other_kinds_of_task(kind, hidden, tmp_path):
    split = rows_of(kind)
    settings = {"head": split.kind.about.head, "num_labels": data.rows_of(kind).outputs(("x", "y", "z"))}
    teacher, subject = (tiny_subject(family_of("distilbert"), seed, **settings) for seed in (0, 1))
    tools = dataclasses.replace(lend(tmp_path, teacher=teacher.module), train=split)

    def apart():
        with torch.inference_mode():
            parts = [
                soft(kind, *(split.kind.logits(m(**b.inputs)) for m in (subject.module, teacher.module)), b.labels)
                for b in split.batches(16)
            ]
        return float(torch.cat(parts).mean())

    before = apart()
    config = Distill.Config(epochs=8.0, learning_rate=3e-3, precision="float32", hidden=hidden, batch_size=16)
    Distill().apply(subject, config, tools)
    assert apart() < 0.7 * before


@pytest.mark.parametrize("kind", ["question_answering", "token_classification", "multi_label"])
def test_answers_that_are_kept_are_those_that_are_asked_for(kind, tmp_path, monkeypatch):
    """Of each token too, without padding; where they would take too much memory they are asked for batch by batch."""
    split = rows_of(kind)
    settings = {"head": split.kind.about.head, "num_labels": data.rows_of(kind).outputs(("x", "y", "z"))}
    teacher, asked, trained = tiny_subject(family_of("bert"), 0, **settings), [], []
    teacher.module.register_forward_hook(lambda *_: asked.append(1))
    config = Distill.Config(epochs=2.0, precision="float32", batch_size=16)
    for most in (answers.MOST_BYTES, 100):
        monkeypatch.setattr(answers, "MOST_BYTES", most)
        student = tiny_subject(family_of("bert"), 1, **settings)
        tools = dataclasses.replace(lend(tmp_path / str(most), teacher=teacher), train=split)
        Distill().apply(student, config, tools)
        trained.append(torch.cat([one.flatten() for one in student.module.state_dict().values()]))
    steps = 2 * -(-len(split) // 16)
    assert len(asked) == -(-len(split) // 64) + 1 + steps, "once in all; once, in vain, and then each time"
    assert torch.allclose(*trained, atol=1e-5)
