"""Damage to a checkpoint's files themselves: bytes, kinds, shards, and what lies beside."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from pathlib import Path
from typing import Any

from reliability.spoil_content import WEIGHTS, files, parts


def spoil_bytes(rng: random.Random, model: Path) -> str:
    there = files(model)
    if not there:
        return "bytes as before"
    path = rng.choice(there)
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data) + 1)
    way = rng.choice(("flip", "cut", "insert", "none", "zeros", "twice", "null", "replace"))
    if way == "flip" and data:
        data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
    elif way == "cut":
        del data[at:]
    elif way == "insert":
        data[at:at] = rng.randbytes(rng.randint(1, 20))
    elif way == "none":
        data.clear()
    elif way == "zeros":
        data[at:] = bytes(len(data) - at)
    elif way == "twice":
        data *= 2
    elif way == "null":
        data[at:at] = b"\0"
    else:
        data[:] = rng.choice(
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
                b"<!DOCTYPE html><html></html>",
                b"[" * 100_000,
                b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
                b"\x80\x04\x95",
                b"\xff\xfe{\x00}\x00",
                b"1" * 5000,
                b'"' + b"x" * 2_000_000 + b'"',
            )
        )
    path.write_bytes(data)
    return f"{path.name}: {way} at {at}"


def change_kind(rng: random.Random, model: Path) -> str:
    path = rng.choice(sorted(model.iterdir()))
    way = rng.choice(("gone", "pipe", "folder", "dangling", "loop", "zero", "socket", "mode", "outside"))
    if path.is_dir():
        return "as before"
    data = path.read_bytes() if path.is_file() else b""
    if way == "mode":
        path.chmod(0)
        return f"{path.name}: no right to read"
    path.unlink()
    if way == "pipe":
        os.mkfifo(path)
    elif way == "folder":
        path.mkdir()
    elif way == "dangling":
        path.symlink_to("../nowhere")
    elif way == "loop":
        path.symlink_to(path.name)
    elif way == "zero":
        path.symlink_to("/dev/zero")
    elif way == "socket":
        here = os.getcwd()
        os.chdir(model)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
        os.chdir(here)
    elif way == "outside":  # as the hub's cache has it
        other = model.parent / "blob"
        other.write_bytes(data)
        path.symlink_to(other)
    return f"{path.name}: {way}"


def spoil_index(rng: random.Random, model: Path) -> str:
    found = parts(model / WEIGHTS)
    if found is None:
        return "index as before"
    names = [name for name in found[0] if name != "__metadata__"]
    shard = "model-00001-of-00001.safetensors"
    (model / WEIGHTS).rename(model / shard)
    way = rng.choice(("good", "up", "absolute", "bin", "missing", "less", "more", "list", "none", "gone", "dcp"))
    index: Any = {"metadata": {}, "weight_map": dict.fromkeys(names, shard)}
    other = {"up": f"../model/{shard}", "absolute": str(model / shard), "bin": "model.bin", "missing": "b.safetensors"}
    if way in other:
        index["weight_map"][names[0]] = other[way]
        (model / "model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    elif way == "less":
        del index["weight_map"][names[0]]
    elif way == "more":
        index["weight_map"]["x.weight"] = shard
    elif way == "list":
        index["weight_map"] = rng.choice(([], names, None, {names[0]: 5}, {}))
    elif way == "none":
        index = rng.choice(([], None, {}, "x"))
    elif way == "dcp":
        shutil.copy(model / shard, model / "shard-00000-model-00001-of-00001.safetensors")
    if way != "gone":
        (model / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return f"index: {way}"


def put_beside(rng: random.Random, model: Path) -> str:
    way = rng.choice(
        ("adapter_config.json", "pytorch_model.bin", "model.gguf", "model.onnx", "tf_model.h5", "x.incomplete")
    )
    (model / way).write_text(json.dumps({"base_model_name_or_path": "somebody/model", "peft_type": "LORA"}))
    if rng.random() < 0.6:
        (model / rng.choice((WEIGHTS, "config.json"))).unlink(missing_ok=True)
    return f"{way} beside"
