from __future__ import annotations

import json
import re

import pytest
import torch
from pydantic import ValidationError

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import dense_structure
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.ground.errors import NotApplicable
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import lend, logits_of, reload, tiny_model, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.drop_layers import DropLayers


def dropped(subject, tmp_path, **settings):
    return DropLayers().apply(subject, DropLayers.Config(**settings), lend(tmp_path))


def shorter(subject, keep):
    """A stock model with fewer layers and the same weights: what dropping has to equal."""
    family = subject.family
    config = type(subject.module.config).from_dict(subject.module.config.to_dict())
    setattr(config, family.config.layers, len(keep))
    model = type(subject.module)(config)
    prefix = f"{model.base_model_prefix}.{family.layers}"
    place = {old: new for new, old in enumerate(keep)}
    weights = {}
    for name, tensor in subject.module.state_dict().items():
        found = re.match(rf"{re.escape(prefix)}\.(\d+)\.", name)
        if found is None:
            weights[name] = tensor
        elif int(found[1]) in place:
            weights[f"{prefix}.{place[int(found[1])]}.{name[found.end() :]}"] = tensor
    model.load_state_dict(weights)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "keep"),
    [
        ("bert", [0, 2]),
        ("bert", [1]),
        ("bert", [0, 1]),
        ("distilbert", [1]),
        ("gpt2", [1]),
        ("deberta-v2", [0, 2]),  # what its model does after the first layer, and which layers of ModernBERT look at all
        ("modernbert", [0, 2]),  # tokens, goes by the place in the dense model
        ("vit", [0, 1]),
    ],
)
def test_equals_a_stock_model_with_fewer_layers(name, tmp_path, keep):
    subject = tiny_subject(family_of(name))
    split = tiny_split(family=subject.family)
    expected = logits_of(shorter(subject, keep), split)
    result = dropped(subject, tmp_path, keep=keep)
    assert torch.equal(logits_of(subject.module, split), expected)
    assert result.facts == {"removed_layers": 3.0 - len(keep), "layers": float(len(keep))}
    again = reload(subject, tiny_tokenizer())
    assert torch.equal(logits_of(again.module, split), expected)
    assert again.structure == subject.structure


def test_drop_is_the_complement_of_keep_and_can_go_on(plain_family, tmp_path):
    one, other = tiny_subject(plain_family), tiny_subject(plain_family)
    dropped(one, tmp_path, keep=[1])
    dropped(other, tmp_path, drop=[0])
    dropped(other, tmp_path, drop=[0, 2])
    assert one.structure == other.structure
    assert "nothing changed" in dropped(other, tmp_path, drop=[2]).note
    assert [layer.index for layer in one.layers] == [1]


def test_first_token_only_moves_to_the_layer_that_is_last_now(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    split = tiny_split()
    n = subject.structure
    subject.carve(Structure(n.layers, n.n_heads, n.ffn_width, first_token_only=True))
    expected = logits_of(shorter(tiny_subject(plain_family), [0, 1]), split)
    dropped(subject, tmp_path, drop=[2])
    seen = []
    subject.layers[-1].ffn_in.register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    torch.testing.assert_close(logits_of(subject.module, split), expected, atol=1e-5, rtol=0)
    assert set(seen) == {1}
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), expected, atol=1e-5, rtol=0)


def test_a_single_shared_layer_is_refused():
    with pytest.raises(NotApplicable, match="one module"):
        DropLayers().check(family_of("albert"), DropLayers.Config(drop=[0]))


@pytest.mark.parametrize("gone", [0, 2])
@pytest.mark.parametrize("name", ["bert", "deberta-v2", "vit"])
def test_axformer_goes_on_with_the_layers_that_are_left(tmp_path, name, gone):
    subject = tiny_subject(family_of(name))
    dropped(subject, tmp_path, drop=[gone])
    tools = lend(tmp_path / "hard", subject.copy().module, family=subject.family)
    HardAttention().apply(subject, HardAttention.Config(k=3, vote=0.0), tools)
    for config in ({"tolerance": 0.5}, {"objective": "budget", "size": 1.5, "max_drop": 100.0}):
        tools = lend(tmp_path / str(len(config)), subject.copy().module, family=subject.family)
        AxformerPrune().apply(subject, AxformerPrune.Config(**config), tools)
    assert not subject.structure.layers[gone].present
    split = tiny_split(family=subject.family)
    again = reload(subject, tiny_tokenizer())
    torch.testing.assert_close(logits_of(again.module, split), logits_of(subject.module, split))


def test_what_is_left_can_be_pruned_further(plain_family, tmp_path):
    subject = tiny_subject(plain_family)
    dropped(subject, tmp_path, drop=[1])
    subject.carve(subject.structure.without_heads(2, [0]).without_ffn(0))
    split = tiny_split()
    again = reload(subject, tiny_tokenizer())
    assert torch.equal(logits_of(again.module, split), logits_of(subject.module, split))


@pytest.mark.parametrize(("settings", "said"), [({"drop": [3]}, "layers 0 to 2"), ({"drop": [0, 1, 2]}, "no layer")])
def test_refusals(tmp_path, settings, said):
    with pytest.raises(NotApplicable, match=said):
        dropped(tiny_subject(family_of("bert")), tmp_path, **settings)


@pytest.mark.parametrize("settings", [{}, {"keep": [0], "drop": [1]}, {"keep": []}])
def test_one_list_must_be_given(settings):
    with pytest.raises(ValidationError):
        DropLayers.Config(**settings)


def test_a_checkpoint_of_before_loads_and_a_removed_layer_is_empty(plain_family):
    dense = dense_structure(tiny_model(plain_family), plain_family)
    data = json.loads(json.dumps(dense.to_json()))
    for layer in data["layers"]:
        del layer["present"]
    assert Structure.from_json(data) == dense
    data["layers"][0]["present"] = False
    with pytest.raises(Exception, match="removed layer with something in it"):
        Structure.from_json(data)


def test_a_removed_layer_cannot_come_back(plain_family):
    subject = torch_subject(tiny_model(plain_family), plain_family)
    dense = subject.structure
    subject.carve(dense.without_layer(0))
    with pytest.raises(ValueError, match="grow back"):
        subject.carve(dense)
