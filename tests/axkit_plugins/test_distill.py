from __future__ import annotations

import dataclasses
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from axkit.anatomy.family import family_of
from axkit.errors import CheckpointError, NotApplicable
from axkit.quiet import quiet
from axkit.tasks.kinds import KINDS
from axkit.tasks.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split
from axkit.testing import logits_of, tiny_subject, tiny_tokenizer, tiny_tools
from axkit_plugins.distill import Distill
from axkit_plugins.training.layer_map import layer_map
from axkit_plugins.training.watching import Pairs


@pytest.fixture(params=["bert", "distilbert", "roberta"])
def family(request):
    return family_of(request.param)


def distance(student, teacher, split):
    with torch.inference_mode():
        parts = [
            student(**b.inputs).logits.softmax(-1) - teacher(**b.inputs).logits.softmax(-1) for b in split.batches(16)
        ]
    return float(torch.cat(parts).square().mean())


def hidden_distance(student, teacher, split):
    """Mean squared distance of the layers' outputs on real tokens."""
    total = 0.0
    with torch.inference_mode():
        for batch in split.batches(16):
            real = batch.inputs["attention_mask"].bool()
            ours, theirs = (
                model(**batch.inputs, output_hidden_states=True).hidden_states for model in (student, teacher)
            )
            total += sum(float((a[real] - b[real]).square().sum()) for a, b in zip(ours[1:], theirs[1:], strict=True))
    return total


def distilled(family, tmp_path, structure=None, measure=distance, **settings):
    """A student with other weights than the teacher's: (what is measured before, after, subject, tools)."""
    teacher, subject = tiny_subject(family, 0).module, tiny_subject(family, 0)
    tools = tiny_tools(tmp_path, teacher=teacher, rows=64)
    if structure is not None:
        subject.carve(structure(subject.structure))
    else:
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in subject.module.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    before = measure(subject.module, teacher, tools.train)
    config = Distill.Config(**{"epochs": 6.0, "learning_rate": 2e-3, "precision": "float32"} | settings)
    Distill().apply(subject, config, tools)
    return before, measure(subject.module, teacher, tools.train), subject, tools


def test_the_student_comes_nearer(family, tmp_path):
    before, after, subject, _ = distilled(family, tmp_path)
    assert after < 0.7 * before
    assert not subject.module.training


@pytest.mark.parametrize("losses", [{"soft": 0.0, "cosine": 1.0}, {"hidden": 1.0}, {"soft": 0.0, "hidden": 1.0}])
def test_hidden_states_by_layer_of_what_pruning_left(family, tmp_path, losses):
    def pruned(structure):
        return structure.without_ffn(1).without_heads(0, [1, 2]).without_neurons(2, range(8))

    before, after, _, _ = distilled(family, tmp_path, pruned, hidden_distance, **losses)
    assert after < before


def test_a_layer_for_the_first_token_alone_is_compared_there(tmp_path):
    before, after, subject, _ = distilled(
        family_of("bert"), tmp_path, lambda s: replace(s.without_ffn(0), first_token_only=True), cosine=1.0
    )
    assert subject.structure.first_token_only
    assert after < before


def test_hard_labels_alone_need_no_likeness(tmp_path):
    _, _, subject, tools = distilled(family_of("bert"), tmp_path, soft=0.0, hard=1.0)
    fresh = tiny_subject(family_of("bert"), 0).module
    assert tools.train.evaluate(subject.module).loss < tools.train.evaluate(fresh).loss


def test_refusals(tmp_path):
    with pytest.raises(NotApplicable, match="all its weights are 0"):
        Distill().check(family_of("bert"), Distill.Config(soft=0.0))
    other = tiny_subject(family_of("bert")).module
    other.config.num_labels = 3
    with pytest.raises(NotApplicable, match="3 outputs"):
        Distill().apply(tiny_subject(family_of("bert")), Distill.Config(), tiny_tools(tmp_path, teacher=other))


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
    settings = {"head": split.kind.head, "num_labels": split.kind.outputs(("x", "y", "z"))}
    teacher, subject = (tiny_subject(family_of("distilbert"), seed, **settings) for seed in (0, 1))
    tools = dataclasses.replace(tiny_tools(tmp_path, teacher=teacher.module), train=split)

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


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2", "modernbert"])
def test_recorded_scores_are_those_that_attention_is_made_of(name, tmp_path):
    subject = tiny_subject(family_of(name))
    batch = tiny_tools(tmp_path).train.batch(range(8))
    pairs = Pairs(subject, subject, {0: 0, 2: 2}, hidden=True, attention=True)
    before = logits_of(subject.module, tiny_tools(tmp_path).train)
    with torch.inference_mode(), pairs.watched("student") as seen:
        subject.module(**batch.inputs)
    assert torch.equal(logits_of(subject.module, tiny_tools(tmp_path).train), before), "attention is as it was"
    subject.module.set_attn_implementation("eager")
    with torch.inference_mode():
        eager = subject.module(**batch.inputs, output_attentions=True, output_hidden_states=True)
    real = batch.inputs["attention_mask"].bool()
    for layer in (0, 2):
        (scores,) = seen.scores[layer]
        probabilities = scores.values.masked_fill(~scores.seen, float("-inf")).softmax(-1)
        wanted = eager.attentions[layer]
        at = real[:, None, :, None].expand_as(wanted)
        assert torch.allclose(probabilities[at], wanted[at], atol=1e-5)
    assert torch.allclose(seen.hidden[0][0][real], eager.hidden_states[1][real], atol=1e-5)


def attention_gap(structure, tmp_path, name="bert", **settings):
    """(distance of attention before, after training on it alone, subject)."""
    subject, teacher = (tiny_subject(family_of(name), 0) for _ in range(2))
    subject.carve(structure(subject.structure))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in subject.module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    tools = tiny_tools(tmp_path, teacher=teacher.module, rows=64)
    batch = tools.train.batch(range(32))
    layers = layer_map(subject.structure, teacher.structure, settings.get("layers"))
    pairs = Pairs(subject, teacher, layers, hidden=False, attention=True)

    def measure():
        with torch.inference_mode(), pairs.watched("teacher") as theirs:
            teacher.module(**batch.inputs)
        with torch.inference_mode(), pairs.watched("student") as ours:
            subject.module(**batch.inputs)
        return float(pairs.attention_distance(ours, theirs, batch.inputs["attention_mask"]))

    before = measure()
    config = Distill.Config(
        soft=0.0, attention=1.0, epochs=6.0, learning_rate=2e-3, precision="float32", batch_size=16, **settings
    )
    facts = Distill().apply(subject, config, tools).facts
    return before, measure(), subject, facts


@pytest.mark.parametrize(
    "structure",
    [
        lambda s: s,
        lambda s: s.without_heads(0, [1, 2]).without_attention(1),
        lambda s: replace(s.without_heads(2, [0]).change(0, hard_k=3), first_token_only=True),
        lambda s: s.without_layer(1),
    ],
    ids=["dense", "heads and a block gone", "hard, first token alone", "a layer gone"],
)
def test_attention_of_the_heads_that_are_left(structure, tmp_path):
    before, after, subject, facts = attention_gap(structure, tmp_path)
    assert after < 0.8 * before
    there = [layer for layer in subject.structure.layers if layer.heads]
    assert facts["compared_layers"] == len(there)


@pytest.mark.parametrize("name", ["albert", "modernbert", "vit"])
def test_layers_of_other_architectures(name, tmp_path):
    """One layer called many times; fused, in windows; images, which nothing pads."""
    family = family_of(name)
    subject, teacher = tiny_subject(family, 1), tiny_subject(family, 0)
    tools = tiny_tools(tmp_path, teacher=teacher.module, rows=16, family=family)
    batch = tools.train.batch(range(16))
    pairs = Pairs(subject, teacher, layer_map(subject.structure, teacher.structure), hidden=True, attention=True)
    config = Distill.Config(soft=0.0, hidden=1.0, attention=1.0, epochs=6.0, learning_rate=2e-3, precision="float32")

    def measure():
        with torch.inference_mode(), pairs.watched("teacher") as theirs:
            teacher.module(**batch.inputs)
        with torch.inference_mode(), pairs.watched("student") as ours:
            subject.module(**batch.inputs)
        mask = batch.inputs.get("attention_mask")
        apart = [float((a - b).square().mean()) for a, b in pairs.hidden_pairs(ours, theirs, mask)]
        return len(apart), sum(apart) / len(apart) + float(pairs.attention_distance(ours, theirs, mask))

    calls, before = measure()
    assert calls == 3
    Distill().apply(subject, config, tools)
    assert measure()[1] < before


def test_heads_are_compared_by_their_place_in_the_dense_model(tmp_path):
    family = family_of("bert")
    subject, teacher = tiny_subject(family), tiny_subject(family)
    subject.carve(subject.structure.without_heads(0, [0, 2]))  # the first layer reads the same in both
    batch = tiny_tools(tmp_path).train.batch(range(8))
    pairs = Pairs(subject, teacher, {0: 0}, hidden=False, attention=True)
    assert pairs.heads[0].theirs == [1, 3]
    with torch.inference_mode(), pairs.watched("teacher") as theirs:
        teacher.module(**batch.inputs)
    with torch.inference_mode(), pairs.watched("student") as ours:
        subject.module(**batch.inputs)
    assert float(pairs.attention_distance(ours, theirs, batch.inputs["attention_mask"])) < 1e-8


def test_a_student_of_every_second_layer_learns_from_the_layers_between(tmp_path):
    """DistilBERT's student: drop_layers before distill; the declared map is the default one."""
    seen = {}
    for layers in (None, {0: 1, 2: 2}, {0: 0, 2: 1}):
        teacher, subject = (tiny_subject(family_of("bert"), 0) for _ in range(2))
        subject.carve(subject.structure.without_layer(1))
        tools = tiny_tools(tmp_path / str(len(seen)), teacher=teacher.module, rows=32)
        config = Distill.Config(
            soft=0.0, hidden=1.0, layers=layers, epochs=2.0, batch_size=8, learning_rate=1e-3, precision="float32"
        )
        assert Distill().apply(subject, config, tools).facts["compared_layers"] == 2
        seen[str(layers)] = logits_of(subject.module, tools.train)
        assert tools.journal.read()[0]["layers"] == [list(p) for p in (layers or {0: 1, 2: 2}).items()]
    first, same, other = seen.values()
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_settings_of_the_map():
    assert Distill.Config.model_validate({"layers": {"0": 1}}).layers == {0: 1}  # as JSON has it
    with pytest.raises(NotApplicable, match="none is compared"):
        Distill().check(family_of("bert"), Distill.Config(layers=[0, 1, 2]))
    with pytest.raises(NotApplicable, match="attention scores of deberta-v2 cannot be seen"):
        Distill().check(family_of("deberta-v2"), Distill.Config(attention=1.0))
    with pytest.raises(CheckpointError, match="'nowhere/at/all'"):
        Distill().check(family_of("bert"), Distill.Config(teacher="nowhere/at/all"))


def kept_teacher(folder, **settings):
    """A folder with a trained model and its tokenizer."""
    module = tiny_subject(family_of("bert"), 5, **settings).module
    with quiet():
        module.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return module


def test_a_deeper_teacher_from_the_hub(tmp_path, monkeypatch):
    teacher = kept_teacher(tmp_path / "teacher", num_hidden_layers=6)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path / name.split("/")[1]))
    subject = tiny_subject(family_of("bert"))
    tools = tiny_tools(tmp_path, rows=64)
    before = distance(subject.module, teacher, tools.train)
    config = Distill.Config(
        teacher="someone/teacher", hidden=0.1, attention=0.1, epochs=6.0, learning_rate=2e-3, precision="float32"
    )
    Distill().check(subject.family, config)
    Distill().apply(subject, config, tools)
    assert tools.journal.read()[0]["layers"] == [[0, 1], [1, 3], [2, 5]]
    assert distance(subject.module, teacher, tools.train) < before


@pytest.mark.parametrize(
    ("made", "settings", "error", "words"),
    [
        ({"hidden_size": 16}, {"cosine": 1.0}, NotApplicable, "have 16 values, the model's 32"),
        ({"num_attention_heads": 2}, {"attention": 1.0}, NotApplicable, "2 heads a layer, the dense model of the"),
        ({"num_labels": 3}, {}, NotApplicable, "has 3 outputs, the model 2"),
        ({"id2label": {0: "LABEL_1", 1: "LABEL_0"}}, {}, NotApplicable, "in the order LABEL_1, LABEL_0"),
        ({"head": "TokenClassification"}, {}, CheckpointError, "no trained head for classification"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(made, settings, error, words, tmp_path):
    kept_teacher(tmp_path / "teacher", **made)
    config = Distill.Config(teacher=str(tmp_path / "teacher"), **settings)
    with pytest.raises(error, match=words):
        Distill().apply(tiny_subject(family_of("bert")), config, tiny_tools(tmp_path))


def test_another_teacher_by_folder(tmp_path):
    family = family_of("bert")
    teacher = tiny_subject(family, 5).module
    with quiet():
        teacher.save_pretrained(tmp_path / "teacher")
    tools = tiny_tools(tmp_path, teacher=tiny_subject(family, 0).module, rows=64)
    config = Distill.Config(teacher=str(tmp_path / "teacher"), epochs=6.0, learning_rate=2e-3, precision="float32")
    with pytest.raises(CheckpointError, match="tokenizer"):
        Distill().apply(tiny_subject(family), config, tools)
    tiny_tokenizer().save_pretrained(tmp_path / "teacher")
    subject = tiny_subject(family)
    before = distance(subject.module, teacher, tools.train)
    Distill().apply(subject, config, tools)
    assert distance(subject.module, teacher, tools.train) < before
