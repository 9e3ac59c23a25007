from __future__ import annotations

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.errors import CheckpointError, NotApplicable
from axkit.quiet import quiet
from axkit.testing import tiny_subject, tiny_tokenizer, tiny_tools
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
    from dataclasses import replace

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
