from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from axkit.anatomy.family import family_of
from axkit.kit import linear_names, weight_matrix
from axkit.runtimes.folder import load_subject, save
from axkit.testing import lend, logits_of, reload, tiny, tiny_split, tiny_subject, tiny_tokenizer
from axkit_plugins.quantize.bnb import Int4Bnb, Int8Bnb

bitsandbytes = pytest.importorskip("bitsandbytes")
PASSES = [(Int4Bnb, {}), (Int4Bnb, {"quant_type": "fp4"}), (Int8Bnb, {}), (Int8Bnb, {"threshold": 0.0})]


@pytest.fixture
def wide(unlike_family, monkeypatch):
    """A tiny model whose widths the 4-bit kernel takes."""
    monkeypatch.setitem(tiny.TINY, "hidden", 64)
    monkeypatch.setitem(tiny.TINY, "ffn_width", 128)
    return tiny_subject(unlike_family)


def run(pass_class, subject, tmp_path, **settings):
    return pass_class().apply(subject, pass_class.Config(**settings), lend(tmp_path))


@pytest.mark.parametrize(("pass_class", "settings"), PASSES)
def test_reloads_to_the_same_logits_again_and_again(wide, tmp_path, pass_class, settings):
    split = tiny_split()
    dense = logits_of(wide.module, split)
    values = sum(weight_matrix(wide.module.get_submodule(name)).numel() for name in linear_names(wide, ["head"]))
    result = run(pass_class, wide, tmp_path, **settings)
    stored = 4 * values - (result.facts["weights_before_bytes"] - result.facts["weights_after_bytes"])
    assert result.facts["effective_bits_per_linear_weight"] == pytest.approx(8 * stored / values)
    assert result.facts["linear_layers"] == (12 if wide.family.fused_qkv else 18)
    assert result.facts["weights_after_bytes"] < 0.75 * result.facts["weights_before_bytes"]
    now = logits_of(wide.module, split)  # before saving: bitsandbytes changes its layout at the first call
    assert 0 < (now - dense).square().mean() < dense.square().mean()  # nonsense would be twice that
    assert torch.equal(logits_of(copy.deepcopy(wide.module), split), now)
    once = reload(wide, tiny_tokenizer())
    assert torch.equal(logits_of(once.module, split), now)
    assert torch.equal(logits_of(reload(once, tiny_tokenizer()).module, split), now)


@pytest.mark.parametrize(("pass_class", "settings"), PASSES)
def test_after_pruning(wide, tmp_path, pass_class, settings):
    n = wide.structure
    wide.carve(n.without_heads(0, [1]).without_heads(1, range(4)).without_neurons(0, range(64)).without_layer(2))
    run(pass_class, wide, tmp_path, **settings)
    split = tiny_split()
    now = logits_of(wide.module, split)
    again = reload(wide, tiny_tokenizer())
    assert torch.equal(logits_of(again.module, split), now)
    assert again.structure == wide.structure
    assert torch.equal(logits_of(reload(again, tiny_tokenizer()).module, split), now)


def test_transformers_alone_loads_it(wide, tmp_path):
    expected = []
    for pass_class in (Int4Bnb, Int8Bnb):
        subject, folder = wide.copy(), tmp_path / pass_class.__name__
        run(pass_class, subject, tmp_path)
        folder.mkdir()
        save(subject, tiny_tokenizer(), folder)
        assert json.loads((folder / "config.json").read_text())["model_type"] == wide.family.model_type
        with torch.no_grad():
            expected += subject.module(**tiny_tokenizer()("the film was good", return_tensors="pt")).logits[0].tolist()
    code = f"""
import sys, torch
torch.set_num_threads(1), torch.set_grad_enabled(False)
from transformers import AutoModelForSequenceClassification, AutoTokenizer
found = []
for folder in ({str(tmp_path / "Int4Bnb")!r}, {str(tmp_path / "Int8Bnb")!r}):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    found += model(**AutoTokenizer.from_pretrained(folder)("the film was good", return_tensors="pt")).logits.tolist()[0]
assert "axkit" not in sys.modules
print(found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(expected, abs=1e-5)


def test_a_head_that_is_partly_converted_reloads(wide, tmp_path):
    """'classifier' (2 rows, stays) must not keep 'pre_classifier' from being converted on the way back."""
    run(Int4Bnb, wide, tmp_path, skip=["ffn_in"])
    split = tiny_split()
    now = logits_of(wide.module, split)
    assert all(type(layer.ffn_in) in (nn.Linear, Conv1D) for layer in wide.layers)
    assert torch.equal(logits_of(reload(wide, tiny_tokenizer()).module, split), now)


def test_widths_that_do_not_fit_stay_and_are_told(tmp_path):
    subject = tiny_subject(family_of("bert"))
    result = run(Int4Bnb, subject, tmp_path)
    assert "nothing changed" in result.note
    assert result.facts["linear_layers_that_do_not_fit"] == 18
    assert subject.module.config.to_dict().get("quantization_config") is None


def test_four_bits_are_near_their_float_weights(tmp_path):
    from axkit_plugins.quantize.bnb.modules import _codes, _quantize

    torch.manual_seed(0)
    weight = torch.randn(64, 256)
    weight[5, 64:128] = 0
    packed, state = _quantize("x", weight, "nf4")
    found = bitsandbytes.functional.dequantize_4bit(packed, state)
    plain = bitsandbytes.functional.dequantize_4bit(*bitsandbytes.functional.quantize_4bit(weight, quant_type="nf4"))
    assert (found - weight).square().mean() < 1.15 * (plain - weight).square().mean()
    assert _codes(weight, torch.ones(256), state.code, packed.shape).shape == packed.shape


def test_a_missing_package_is_one_sentence(wide, tmp_path, monkeypatch):
    from axkit.ground.errors import CheckpointError

    run(Int8Bnb, wide, tmp_path / "scratch")
    (tmp_path / "model").mkdir()
    save(wide, tiny_tokenizer(), tmp_path / "model")
    import transformers.quantizers.quantizer_bnb_8bit as quantizer

    monkeypatch.setattr(quantizer, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(CheckpointError, match="not installed"):
        load_subject(tmp_path / "model")
