"""Fewer layers, or one smaller feed-forward width for all: saved as a stock checkpoint, and loaded as it was."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from axkit.anatomy.family import family_of
from axkit.anatomy.modules import NoLayer
from axkit.anatomy.structure import Structure
from axkit.ground.errors import CheckpointError
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.torch import stock
from axkit.testing import tiny_reader, tiny_split, tiny_subject


def fewer(structure):
    return structure.without_layer(1)


def narrower(structure):
    """As many everywhere, others in each layer."""
    for index in range(len(structure.layers)):
        structure = structure.without_neurons(index, range(index, index + 8))
    return structure


def both(structure):
    return narrower(structure).without_layer(0)


def cut(name, how):
    subject = tiny_subject(family_of(name))
    subject.carve(how(subject.structure))
    return subject


def kept(subject, folder):
    """Saved; and the model_type of its config."""
    save(subject, tiny_reader(subject.family), folder)
    return json.loads((folder / "config.json").read_text())


def said(subject):
    """The config, but for where it was loaded from and by which release."""
    apart = ("_name_or_path", "transformers_version")
    return {name: value for name, value in subject.body.config.items() if name not in apart}


def inputs_of(subject):
    return next(iter(tiny_split(family=subject.family).batches(8))).inputs


CASES = [
    *((name, how) for name in ("bert", "distilbert", "roberta", "vit") for how in (fewer, narrower, both)),
    ("gpt2", fewer),
    ("mpnet", fewer),
    ("deberta-v2", fewer),
    ("modernbert", narrower),
    ("albert", narrower),
]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_transformers_alone_and_axkit_load_the_same(tmp_path, name, how):
    subject = cut(name, how)
    before = {one: value.clone() for one, value in subject.module.state_dict().items()}
    config = kept(subject, tmp_path)
    assert config["model_type"] == name
    assert "auto_map" not in config
    assert not (tmp_path / "modeling_axkit.py").exists()
    inputs = inputs_of(subject)
    expected = subject.body.answer(inputs)["logits"]
    alone, info = getattr(transformers, config["architectures"][0]).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert torch.equal(alone(**inputs).logits, expected)
    again = load_subject(tmp_path)
    assert again.structure == subject.structure
    assert torch.equal(again.body.answer(inputs)["logits"], expected)
    after = again.module.state_dict()
    assert list(after) == list(before) == list(subject.module.state_dict())
    assert said(again) == said(subject)
    again.carve(again.structure.without_heads(2 if name != "albert" else 0, [1]))  # it is cut on as it was


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("modernbert", fewer),  # which layers look at all tokens goes by their number
        ("gpt2", narrower),  # Conv1D
        ("bert", lambda s: s.without_neurons(0, range(4))),
        ("bert", lambda s: fewer(s).without_heads(0, [1])),
        ("bert", lambda s: fewer(s).change(0, hard_k=3)),
        ("bert", lambda s: fewer(s).without_ffn(2)),
        ("distilbert", lambda s: Structure(fewer(s).layers, 4, 24, first_token_only=True)),
    ],
)
def test_what_no_stock_class_can_hold(tmp_path, name, how):
    subject = cut(name, how)
    assert kept(subject, tmp_path)["model_type"] == f"axkit_{name}"
    inputs = inputs_of(subject)
    assert torch.equal(load_subject(tmp_path).body.answer(inputs)["logits"], subject.body.answer(inputs)["logits"])


def test_it_is_tried_and_not_taken_for_granted(tmp_path):
    """DeBERTa's convolution comes after the first layer that is there: without layer 0 it would be another model."""
    subject = cut("deberta-v2", lambda structure: structure.without_layer(0))
    assert stock.stock_sizes(subject.structure, subject.family) == {"num_hidden_layers": 2}
    assert kept(subject, tmp_path)["model_type"] == "axkit_deberta-v2"
    assert sum(path.suffix == ".safetensors" for path in tmp_path.iterdir()) == 1
    inputs = inputs_of(subject)
    assert torch.equal(load_subject(tmp_path).body.answer(inputs)["logits"], subject.body.answer(inputs)["logits"])


def test_saving_leaves_the_model_as_it_was(tmp_path):
    subject = cut("bert", both)
    layers = subject.module.bert.encoder.layer
    kept(subject, tmp_path)
    assert subject.module.bert.encoder.layer is layers
    assert [isinstance(one, NoLayer) for one in layers] == [True, False, False]
    assert (subject.module.config.num_hidden_layers, subject.module.config.intermediate_size) == (3, 24)


def test_a_manifest_that_says_something_else(tmp_path):
    subject = cut("bert", fewer)
    kept(subject, tmp_path)
    told = json.loads((tmp_path / "axkit.json").read_text())
    told["structure"]["layers"][0] = told["structure"]["layers"][1]
    (tmp_path / "axkit.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match="say different things"):
        load_subject(tmp_path)
