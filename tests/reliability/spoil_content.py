"""Damage to what is in a checkpoint's files: settings, headers, weights, structure and trail."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
from pathlib import Path
from typing import Any

from reliability.settings import EVIL
from reliability.trees import at_random, spoil_tree

WEIGHTS, MANIFEST = "model.safetensors", "axkit.json"


def files(model: Path, pattern: str = "*") -> list[Path]:
    """Regular ones: an earlier damage may have put a pipe there."""
    return sorted(path for path in model.glob(pattern) if path.is_file())


def spoil_json(rng: random.Random, model: Path) -> str:
    there = files(model, "*.json")
    if not there:
        return "JSON as before"
    path = rng.choice(there)
    if path.name == MANIFEST and rng.random() < 0.5 and (model / "config.json") in there:
        path = model / "config.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return f"{path.name} as before"
    tree, said = spoil_tree(rng, tree)
    path.write_text(at_random(rng, tree), encoding="utf-8")
    return f"{path.name}: {said}"


def set_evil(rng: random.Random, model: Path) -> str:
    there = [name for name in EVIL if (model / name).is_file()]
    if not there:
        return "settings as before"
    name = rng.choice(there)
    key, value = rng.choice(EVIL[name])
    try:
        tree = json.loads((model / name).read_text(encoding="utf-8"))
        tree[key] = value
    except (OSError, ValueError, TypeError, IndexError, RecursionError):
        return "as before"
    if key == "problem_type":
        tree["num_labels"] = 1
    (model / name).write_text(json.dumps(tree), encoding="utf-8")
    (model / "evil.py").write_text(f"open({str(model.parent.parent / 'ran')!r}, 'w').write('x')\n")
    return f"{name}: {key} = {value!r:.80}"


def parts(path: Path) -> tuple[dict[str, Any], bytes] | None:
    """Header and data of a safetensors file that is whole and holds something."""
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
    except (OSError, ValueError, RecursionError, struct.error):
        return None
    holds = isinstance(header, dict) and header.keys() - {"__metadata__"}
    return (header, data[8 + length :]) if holds else None


def _write(path: Path, header: str, data: bytes, length: int | None = None) -> None:
    text = header.encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def spoil_header(rng: random.Random, model: Path) -> str:
    path = model / WEIGHTS
    found = parts(path)
    if found is None:
        return "header as before"
    header, data = found
    name = rng.choice([name for name in header if name != "__metadata__"])
    way = rng.choice(("tree", "length", "offsets", "overlap", "shape", "dtype", "twice", "metadata", "deep", "text"))
    text, length = None, None
    if way == "tree":
        header, said = spoil_tree(rng, header)
        way = said
    elif way == "length":
        length = rng.choice((0, 1, 7, 2**63, 2**64 - 1, len(data), 100 << 20, len(json.dumps(header)) - 1))
    elif way == "offsets":
        header[name]["data_offsets"] = rng.choice(([0, 10**12], [5, 1], [-4, 4], [0], [0.0, 4.0], [0, 0], "0-4"))
    elif way == "overlap":
        header[name]["data_offsets"] = header[rng.choice([n for n in header if n != "__metadata__"])]["data_offsets"]
    elif way == "shape":
        header[name]["shape"] = rng.choice(([], [0], [10**9, 10**9], [-1], [1.5], ["2"], [2**63], [1] * 500))
    elif way == "dtype":
        header[name]["dtype"] = rng.choice(("F8_E4M3", "I64", "BOOL", "C64", "F4", "", None, "F16", "BF16", "U8"))
    elif way == "twice":
        text = json.dumps(header)[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}"
    elif way == "metadata":
        header["__metadata__"] = rng.choice(({"format": "tf"}, {"format": 5}, [], "pt", {}, None))
    elif way == "deep":
        text = "[" * 5000 + "]" * 5000
    else:
        text = rng.choice(("", "{}", "[]", "null", "{", "\ufeff{}", "NaN", '{"__metadata__": {}}'))
    _write(path, json.dumps(header) if text is None else text, data, length)
    return f"header of {name}: {way}"


def spoil_tensors(rng: random.Random, model: Path) -> str:
    """A file that is whole, of weights that are not those of the config."""
    import torch
    from safetensors.torch import load_file, save_file

    path = model / WEIGHTS
    if parts(path) is None:
        return "weights as before"
    try:
        weights = load_file(path)
    except Exception:  # noqa: BLE001  # damaged before
        return "tensors as before"
    name = rng.choice(sorted(weights))
    way = rng.choice(
        ("drop", "rename", "rows", "nan", "inf", "kind", "extra", "layer", "prefix", "swap", "empty", "head")
    )
    if way == "drop":
        del weights[name]
    elif way == "rename":
        weights[name.replace("weight", "gamma").replace("bias", "beta") + rng.choice(("", ".x"))] = weights.pop(name)
    elif way == "rows":
        shape = list(weights[name].shape) or [1]
        shape[rng.randrange(len(shape))] += rng.choice((-1, 1, 7))
        weights[name] = torch.zeros(shape, dtype=weights[name].dtype)
    elif way in ("nan", "inf") and weights[name].is_floating_point():
        weights[name].view(-1)[:1] = float(way)
    elif way == "kind":
        kind = rng.choice((torch.int64, torch.int8, torch.float16, torch.bfloat16, torch.float64, torch.bool))
        weights[name] = weights[name].to(kind)
    elif way == "extra":
        weights[rng.choice(("x", "classifier2.weight", "bert.embeddings.position_ids", "a" * 3000, ""))] = torch.ones(2)
    elif way == "layer":
        weights = {n: w for n, w in weights.items() if ".2." not in n}
    elif way == "prefix":
        weights = {n.split(".", 1)[-1]: w for n, w in weights.items()}
    elif way == "swap":
        other = rng.choice(sorted(weights))
        weights[name], weights[other] = weights[other], weights[name]
    elif way == "empty":
        weights = {} if rng.random() < 0.3 else {**weights, name: torch.zeros(0)}
    elif way == "head":
        weights |= {n: torch.ones(3, *w.shape[1:]) for n, w in weights.items() if n.startswith(("classifier", "score"))}
    save_file({n: w.clone().contiguous() for n, w in weights.items()}, path, metadata={"format": "pt"})
    return f"{way} of {name}"


def spoil_manifest(rng: random.Random, model: Path) -> str:
    """Structure and trail, in axkit.json or in config.json or in both."""
    said = []
    for name in rng.choice(((MANIFEST,), ("config.json",), (MANIFEST, "config.json"))):
        path = model / name
        if not path.is_file():
            continue
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            described = tree if name == MANIFEST else tree["axkit"]
            structure, trail = described["structure"], described["trail"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if not isinstance(structure, dict) or not isinstance(trail, list):
            continue
        ranges = rng.choice(
            ("0-99999999", "0-2000000", "3-1", "-5", "1,1", "a", "", "0-23", "0--1", "٣", 5, None, "0,5,3")
        )
        way = rng.choice(
            ("neurons", "heads", "width", "heads_of", "layers", "many", "hard_k", "name", "config", "state")
        )
        if way in ("neurons", "heads") and structure.get("layers"):
            rng.choice(structure["layers"])[way] = ranges
        elif way == "width":
            structure["ffn_width"] = rng.choice((10**8, 2_000_000, -1, 0, "24", None, True))
        elif way == "heads_of":
            structure["n_heads"] = rng.choice((10**8, 3, -1, 0, "4", None, True))
        elif way == "layers":
            structure["layers"] = rng.choice(([], {}, None, [[]], structure.get("layers", [])[:1]))
        elif way == "many" and structure.get("layers"):
            structure["layers"] = structure["layers"][:1] * rng.choice((2, 900, 5000))
            structure["ffn_width"] = 2_000_000
            for layer in structure["layers"]:
                layer["neurons"] = "0-1999999"
        elif way == "hard_k" and structure.get("layers"):
            rng.choice(structure["layers"])["hard_k"] = rng.choice((-1, 0, 0.5, 1e9, "x", True, [1], 2))
        elif trail and way in ("name", "config", "state"):
            described["trail"][0], more = spoil_tree(rng, trail[0])
            way = f"trail: {more}"
        else:
            described["trail"] = rng.choice(([{"name": "no_such"}], [5], {}, None, trail * 3))
        path.write_text(json.dumps(tree), encoding="utf-8")
        said.append(f"{name}: {way} {ranges!r}")
    return "; ".join(said) or "manifest as before"


def hash_again(model: Path) -> None:
    path = model / MANIFEST
    if not path.is_file():
        return
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for name in manifest["sha256"]:
            if (model / name).is_file() and os.stat(model / name).st_size < 1 << 24:
                manifest["sha256"][name] = hashlib.sha256((model / name).read_bytes()).hexdigest()
        path.write_text(json.dumps(manifest), encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
