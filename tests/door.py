"""Ways in for a checkpoint, as apply and eval come, and hands to damage one with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from axkit.anatomy.family import family_of
from axkit.checkpoint.sources import check_folder, check_reader
from axkit.ground.errors import CheckpointError
from axkit.ground.quiet import quiet
from axkit.runtimes.folder import load_subject
from axkit.runtimes.torch.opening import open_for_task, open_reader
from axkit.tasks.kinds.known import KINDS
from axkit.testing import tiny_model, tiny_tokenizer

KIND = KINDS["classification"]
WEIGHTS = "model.safetensors"


def write_bert(folder: Path) -> Path:
    """A tiny BERT with a head of two outputs, as transformers writes it."""
    with quiet():
        tiny_model(family_of("bert")).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def edit(folder: Path, name: str = "config.json", **fields: Any) -> None:
    """Change fields of a JSON file."""
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change(folder: Path, make: Any) -> None:
    """Write other weights."""
    weights = make(load_file(folder / WEIGHTS))
    save_file({name: tensor.clone() for name, tensor in weights.items()}, folder / WEIGHTS)


def for_task(folder: Path) -> Any:
    """As apply opens it."""
    check_folder(folder)
    check_reader(folder)
    open_reader(folder, family_of("bert"))
    return open_for_task(folder, KIND, 2, ["no", "yes"], 0)


def both_refuse(folder: Path, match: str) -> None:
    """apply's way and eval's say the same kind of thing, in one line."""
    for way in (for_task, lambda path: (load_subject(path), open_reader(path, family_of("bert")))):
        with pytest.raises(CheckpointError, match=match) as error:
            way(folder)
        assert "\n" not in str(error.value)
