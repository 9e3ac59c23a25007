"""Families beyond their surgery: their files, what is refused, GPT-2's missing padding token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import write_base_model

from axkit.anatomy import families, family
from axkit.anatomy.family import Family, family_of
from axkit.ground import registry
from axkit.ground.errors import CheckpointError, NotApplicable, PluginError, RecipeError
from axkit.ground.quiet import quiet
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.runtimes.torch.opening import open_for_task, open_tokenizer
from axkit.tasks.kinds.known import KINDS
from axkit.testing import tiny_model, tiny_tokenizer


@pytest.mark.parametrize("name", list(registry.entries(registry.FAMILIES)))
def test_a_family_is_registered_under_its_exact_type(name):
    assert family_of(name).model_type == name
    assert family_of(f"axkit_{name}").model_type == name


def test_an_unknown_family_is_one_sentence():
    with pytest.raises(NotApplicable, match=r"knows no family 'bertish'.*TOML"):
        family_of("bertish")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('value = "attention.self.value"\n', "", "query, key and value, or qkv"),
        ('ffn_out = "output.dense"\n', "", "roles lacks ffn_out"),
        ("[config]", "pre_nrom = true\n[config]", "pre_nrom"),
        ('attention_dropout = "attention_probs_dropout_prob"\n', "", "first_token_heads needs"),
        ('"zero"', '"none"', "'zero', 'identity' or 'no_attention'"),
    ],
)
def test_a_faulty_file_is_one_sentence(tmp_path, old, new, fault):
    source = Path(families.__file__).with_name("bert.toml").read_text(encoding="utf-8")
    assert old in source
    text = tmp_path / "mine.toml"
    text.write_text(source.replace(old, new, 1))
    with pytest.raises(PluginError, match=f"mine.toml is not valid .*{fault}"):
        Family.from_toml(text)


@pytest.mark.parametrize(
    ("release", "layers", "query"),
    [
        ("5.0.0", "encoder.layer", "attention.attention.query"),
        ("5.8.1", "encoder.layer", "attention.attention.query"),
        ("5.9.0.dev0", "layers", "attention.q_proj"),
        ("5.10.1", "layers", "attention.q_proj"),  # not before 5.9: numbers, not text
    ],
)
def test_a_file_names_what_releases_of_transformers_moved(release, layers, query):
    vit = Family.from_toml(Path(families.__file__).with_name("vit.toml"), release)
    assert (vit.layers, vit.roles["query"]) == (layers, query)
    assert vit.tiny, "what no release moved stays"


def test_an_older_change_lies_over_a_newer_one(tmp_path):
    source = Path(families.__file__).with_name("bert.toml").read_text(encoding="utf-8")
    text = tmp_path / "mine.toml"
    changes = '[[before]]\ntransformers = "5.{}"\n{}\n'
    one = changes.format(2, 'layers = "oldest"')
    other = changes.format(10, 'layers = "older"\npre_norm = true')
    text.write_text(source + one + other)
    found = {release: Family.from_toml(text, release) for release in ("5.1", "5.9", "5.10")}
    assert [family.layers for family in found.values()] == ["oldest", "older", "encoder.layer"]
    assert [family.pre_norm for family in found.values()] == [True, True, False]
    text.write_text(source + changes.format(2, "pre_nrom = true"))
    with pytest.raises(PluginError, match=r"mine.toml is not valid .*pre_nrom"):
        Family.from_toml(text, "5.10")  # though it holds for others alone
    text.write_text(source + "[[before]]\npre_norm = true\n")
    with pytest.raises(PluginError, match=r"each \[\[before\]\] needs a 'transformers'"):
        Family.from_toml(text)


def test_a_family_that_needs_a_later_transformers_says_so(monkeypatch):
    monkeypatch.setattr(family, "version", lambda _: "5.0.3")
    with pytest.raises(NotApplicable, match=r"'modernbert' needs transformers 5.1 or later, and 5.0.3 is installed"):
        family_of("modernbert")
    assert family_of("bert")


def test_a_model_that_reads_pixels_is_refused_for_text_when_planned(workplace):
    tiny_model(family_of("vit")).save_pretrained(workplace / "model")
    with pytest.raises(RecipeError, match=r"reads images, and task 'files' .classification. is of text"):
        plan(load_source("recipe.yaml"))


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with quiet():
        tiny_model(family_of("bert")).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        open_tokenizer(tmp_path)


def test_a_tokenizer_without_padding_pads_with_its_end(tmp_path):
    """GPT-2 has no padding token, and its classifier needs one to find the last real token."""
    folder = write_base_model(tmp_path, "gpt2")
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token, tokenizer.eos_token = None, "[SEP]"
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None, "eos_token_id": 3}))
    loaded = open_tokenizer(folder)
    assert loaded.pad_token_id == 3
    model = open_for_task(folder, KINDS["classification"], 2, ["no", "yes"], 0)
    texts = ["the film was good", "a play"]
    with torch.inference_mode():
        alone = torch.cat([model(**loaded(text, return_tensors="pt")).logits for text in texts])
        together = model(**loaded(texts, padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(alone, together)


def test_a_file_that_is_not_in_the_wheel_is_told_as_that(tmp_path):
    with pytest.raises(PluginError, match=r"mine.toml is not there; if it was left out of the wheel, .*add-a-family"):
        Family.from_toml(tmp_path / "mine.toml")


def test_a_limit_that_nobody_knows_is_refused(tmp_path):
    source = Path(families.__file__).with_name("gpt2.toml").read_text(encoding="utf-8")
    text = tmp_path / "mine.toml"
    text.write_text(source.replace("first_token_only =", "first_tokens_only =", 1))
    with pytest.raises(PluginError, match=r"mine.toml is not valid .*'heads', 'neurons' or 'first_token_only'"):
        Family.from_toml(text)


def test_what_an_architecture_lacks_is_told_before_its_other_faults(tmp_path):
    text = tmp_path / "mine.toml"
    text.write_text('pre_norm = "perhaps"\nleading_tokens = "some"\n')
    with pytest.raises(PluginError, match=r"model_type: Field required; layers: Field required; config: Field req"):
        Family.from_toml(text)
