from __future__ import annotations

import copy

import pytest
import torch

from axkit.anatomy.family import family_of
from axkit.ground.quiet import quiet
from axkit.testing import lend, tiny_subject
from axkit_plugins.finetune import Finetune


@pytest.fixture(params=["bert", "distilbert", "roberta"])  # test_contract trains every family
def family(request):
    return family_of(request.param)


def train(family, tmp_path, structure=None, **settings):
    subject = tiny_subject(family)
    with quiet():
        subject.module.base_model.save_pretrained(tmp_path)
    if structure:
        subject.carve(structure(subject.structure))
    before = copy.deepcopy(subject.module.state_dict())
    result = Finetune().apply(subject, Finetune.Config(**({"epochs": 2.0} | settings)), lend(tmp_path))
    after = subject.module.state_dict()
    return subject, {n for n in after if not torch.equal(after[n], before[n])}, result


def test_trains_everything_and_leaves_nothing_frozen(family, tmp_path):
    subject, changed, result = train(family, tmp_path)
    assert any("embeddings" in name for name in changed)
    assert any("classifier" in name for name in changed)
    assert result.facts["steps"] == 4  # 40 rows, batches of 32, two epochs
    assert all(p.requires_grad and p.grad is None for p in subject.module.parameters())
    assert not subject.module.training


@pytest.mark.parametrize(("freeze", "still"), [("embeddings", "embeddings."), ("encoder", "layer.")])
def test_freeze(family, tmp_path, freeze, still):
    subject, changed, _ = train(family, tmp_path, freeze=freeze)
    base = subject.module.base_model_prefix
    assert changed
    assert not [name for name in changed if name.startswith(base) and still in name]


def test_same_seed_same_weights(family, tmp_path):
    a, _, _ = train(family, tmp_path / "a")
    b, _, _ = train(family, tmp_path / "b")
    for name, tensor in a.module.state_dict().items():
        assert torch.equal(tensor, b.module.state_dict()[name]), name


def test_a_carved_model_trains_and_keeps_its_structure(family, tmp_path):
    def cut(s):
        return s.without_ffn(0).without_heads(1, range(4)).without_neurons(2, range(5)).change(2, hard_k=4)

    subject, changed, _ = train(family, tmp_path, cut)
    assert changed
    assert subject.structure == cut(tiny_subject(family).structure)


def test_refit_starts_from_the_pretrained_weights(family, tmp_path):
    """With a rate of almost nothing, the encoder that comes out is the pretrained one, carved."""
    subject = tiny_subject(family)
    with quiet():
        subject.module.base_model.save_pretrained(tmp_path)
    pretrained = subject.copy()
    with torch.no_grad():
        for parameter in subject.module.parameters():
            parameter.add_(1.0)
    structure = subject.structure.without_heads(0, [1]).without_ffn(1)
    subject.carve(structure), pretrained.carve(structure)
    config = Finetune.Config(epochs=1.0, learning_rate=1e-9, weight_decay=0.0, refit="pretrained")
    Finetune().apply(subject, config, lend(tmp_path))
    for name, tensor in pretrained.module.base_model.state_dict().items():
        if "pooler" not in name:
            torch.testing.assert_close(subject.module.base_model.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_a_trained_model_computes_in_float32_again(family, tmp_path):
    """accelerate wraps forward in autocast and leaves it there; every later figure would be bfloat16's."""
    subject, _, _ = train(family, tmp_path, precision="bfloat16")
    seen = []
    subject.layers[0].ffn_in.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    subject.module(input_ids=torch.tensor([[2, 5, 3]]))
    assert seen == [torch.float32]
    assert "forward" not in subject.module.__dict__
