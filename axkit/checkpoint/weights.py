"""Which files of a folder hold its weights. Nothing but safetensors, and nothing outside the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from axkit.checkpoint.foreign import what_it_is
from axkit.checkpoint.header import Header, read_header
from axkit.ground.errors import CheckpointError
from axkit.ground.files import MEGABYTE, read_object

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, as transformers would choose them: the single one, else the index's.

    Raises:
        CheckpointError: there are none, or an index that is damaged or names what is no file of the folder.
    """
    if os.path.lexists(folder / SINGLE):
        return [folder / SINGLE]
    if os.path.lexists(folder / INDEX):
        return [folder / name for name in sorted(set(weight_map(folder).values()))]
    others = sorted(folder.glob("*.safetensors"))
    if others:
        raise CheckpointError(
            f"{folder} holds {others[0].name}, and neither {SINGLE} nor {INDEX}; save the whole model there"
        )
    raise CheckpointError(
        what_it_is(folder, f"{folder} holds no safetensors file; save the model there with save_pretrained")
    )


def read_headers(folder: Path) -> Header:
    """The headers of all weights of a checkpoint, as one.

    Raises:
        CheckpointError: a file is damaged, or the index and the files do not say the same.
    """
    found: Header = {}
    sharded = not os.path.lexists(folder / SINGLE)
    for path in weight_files(folder):
        header = read_header(path)
        twice = found.keys() & header.keys()
        if twice:
            raise CheckpointError(f"{folder} holds '{min(twice):.80}' in two files; save the model again")
        found |= header
    if sharded:
        listed = weight_map(folder)
        lost = sorted(listed.keys() ^ found.keys())
        if lost:
            raise CheckpointError(
                f"{folder}/{INDEX} and the files do not list the same weights ({len(lost)}, '{lost[0]:.80}' first); "
                f"copy the whole folder again"
            )
    if not found:
        raise CheckpointError(f"{folder} holds no weights; save the model there with save_pretrained")
    return found


def weight_map(folder: Path) -> dict[str, str]:
    """Weight -> file of the folder, as the index has it.

    Raises:
        CheckpointError: it is damaged, or names what is no safetensors file of the folder.
    """
    path = folder / INDEX
    found: Any = read_object(path, 16 * MEGABYTE).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise CheckpointError(f"{path} has no weight_map; copy or save the checkpoint again")
    for name in found.values():
        if not is_plain(name) or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{path} names '{name:.80}', which is no safetensors file of this folder; save the checkpoint again"
            )
    return found


def is_plain(name: str) -> bool:
    """Whether a name is one of a file in the folder at hand, on any system."""
    return bool(name) and not set(name) & set("/\\:\0") and name not in (".", "..")
