"""The files of a checkpoint: which are opened, and what else may stand in their place."""

from __future__ import annotations

import json
import os

import pytest
import torch
from door import WEIGHTS, both_refuse, for_task, write_bert
from safetensors.torch import load_file

from axkit.checkpoint.sources import check_folder, count_parameters, local_folder
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.runtimes.folder import load_subject


@pytest.fixture
def folder(tmp_path):
    return write_bert(tmp_path / "model")


def test_only_safetensors_of_the_folder_are_opened(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load"))
    (folder / WEIGHTS).rename(folder / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"holds a\.safetensors, and neither"):
        check_folder(folder)
    (tmp_path / "a.safetensors").write_bytes((folder / "a.safetensors").read_bytes())
    (folder / "model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    names = list(load_file(folder / "a.safetensors"))
    index = folder / f"{WEIGHTS}.index.json"
    for bad in ("../a.safetensors", str(tmp_path / "a.safetensors"), "model.bin", "..", "b/../a.safetensors", ""):
        index.write_text(json.dumps({"weight_map": {**dict.fromkeys(names, "a.safetensors"), names[0]: bad}}))
        both_refuse(folder, "no safetensors file of this folder")
    for some in (names[1:], [*names, "x.weight"]):
        index.write_text(json.dumps({"weight_map": dict.fromkeys(some, "a.safetensors")}))
        both_refuse(folder, "do not list the same weights")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "a.safetensors")}))
    assert for_task(folder)
    assert load_subject(folder)
    assert count_parameters(folder) == sum(p.numel() for p in load_subject(folder).module.parameters())
    (folder / "shard-00000-model-00001-of-00001.safetensors").write_bytes(b"")  # torch's own format, which pickles
    assert for_task(folder)


def test_links_of_the_hubs_cache_are_followed(folder, tmp_path):
    for path in list(folder.iterdir()):
        blob = tmp_path / "blobs" / path.name
        blob.parent.mkdir(exist_ok=True)
        path.rename(blob)
        path.symlink_to(os.path.relpath(blob, folder))
    assert for_task(folder)
    assert load_subject(folder)


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", "vocab.txt"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "dangling", "pointer", "deep", "huge", "nothing"])
def test_what_stands_in_a_files_place(folder, tmp_path, name, kind):
    path = folder / name
    path.unlink(missing_ok=True)
    make = {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: path.symlink_to(name),
        "dangling": lambda: path.symlink_to("nowhere"),
        "pointer": lambda: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
        "deep": lambda: path.write_text("[" * 101 + "]" * 101),
        "huge": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 600 << 20),
        "nothing": path.touch,
    }
    if name == "vocab.txt" and kind in ("deep", "nothing"):
        pytest.skip("it is text, and tokenizer.json goes before it")
    make[kind]()
    both_refuse(folder, "git-lfs pointer" if kind == "pointer" else name.partition(".")[0])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("adapter_config.json", "an adapter"),
        ("model_index.json", "diffusers"),
        ("pytorch_model.bin", "pickle"),
        ("model.gguf", "GGUF"),
        ("model.onnx", "ONNX"),
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        (f"{WEIGHTS}.incomplete", "download"),
    ],
)
def test_folders_of_something_else_are_called_by_their_name(folder, tmp_path, name, match):
    (folder / WEIGHTS).unlink()
    (folder / name).write_text("{}")
    both_refuse(folder, match)
    (folder / "config.json").unlink()
    both_refuse(folder, match)


def test_an_adapter_beside_a_model_is_not_passed_over(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/model"}')
    both_refuse(folder, "an adapter beside its model")


def test_a_folder_above_a_checkpoint_says_where_it_is(folder):
    with pytest.raises(CheckpointError, match="model looks like one"):
        check_folder(folder.parent)


@pytest.mark.parametrize("model", ["x" * 5000, "a\0b", "./nowhere", "~nobody", "emb:bert"])
def test_names_that_no_model_can_have(model):
    with pytest.raises(AxkitError):
        local_folder(model)
