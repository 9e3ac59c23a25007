from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from axkit import apply, open_subject
from axkit.anatomy.family import family_of
from axkit.ground.errors import CheckpointError, NotApplicable
from axkit.ground.quiet import quiet
from axkit.run.recipe import read_source
from axkit.testing import lend, tiny_subject, tiny_tokenizer
from axkit_plugins.distill import Distill


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
    tools = lend(tmp_path, teacher=teacher, rows=64)
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
        Distill().apply(tiny_subject(family_of("bert")), Distill.Config(), lend(tmp_path, teacher=other))


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
    tools = lend(tmp_path, rows=64)
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
        Distill().apply(tiny_subject(family_of("bert")), config, lend(tmp_path))


def test_a_teacher_with_the_same_labels_answers_in_the_models_order(tmp_path):
    teacher = kept_teacher(tmp_path / "teacher", id2label={0: "POSITIVE", 1: "NEGATIVE"})
    tools = lend(tmp_path)
    ordered = open_subject(str(tmp_path / "teacher"), tools.reader, tools.train.kind, ("negative", "positive"))
    inputs = tools.train.batch([0, 1]).inputs
    assert torch.equal(ordered.module(**inputs).logits, teacher(**inputs).logits[:, [1, 0]])
    assert torch.equal(copy.deepcopy(ordered.module)(**inputs).logits, ordered.module(**inputs).logits)
    with pytest.raises(NotApplicable, match="has the labels POSITIVE, NEGATIVE, the model good, bad"):
        open_subject(str(tmp_path / "teacher"), tools.reader, tools.train.kind, ("good", "bad"))


def test_another_teacher_by_folder(tmp_path):
    family = family_of("bert")
    teacher = tiny_subject(family, 5).module
    with quiet():
        teacher.save_pretrained(tmp_path / "teacher")
    tools = lend(tmp_path, teacher=tiny_subject(family, 0).module, rows=64)
    config = Distill.Config(teacher=str(tmp_path / "teacher"), epochs=6.0, learning_rate=2e-3, precision="float32")
    with pytest.raises(CheckpointError, match="tokenizer"):
        Distill().apply(tiny_subject(family), config, tools)
    tiny_tokenizer().save_pretrained(tmp_path / "teacher")
    subject = tiny_subject(family)
    before = distance(subject.module, teacher, tools.train)
    Distill().apply(subject, config, tools)
    assert distance(subject.module, teacher, tools.train) < before


RECIPE = """\
axkit: 1
name: taught
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}
passes:
"""


@pytest.mark.parametrize("first", ["", "  - {pass: finetune, epochs: 0.1}\n"])
def test_a_student_learns_from_a_folder_first_and_after_a_training(first, workplace, tmp_path):
    from conftest import write_trained_model

    write_trained_model(tmp_path / "teacher")
    text = RECIPE + first + "  - {pass: distill, teacher: ./teacher, epochs: 0.5, precision: float32}\n"
    run = apply(read_source(text, "r.yaml"), runs=tmp_path / "runs")
    assert [stage.record.applied.name for stage in run.stages][-1] == "distill"
    assert run.plan.baseline == len(run.plan.steps), "it trains, and needs nothing of the run"
