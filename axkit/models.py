"""Where a model comes from: a registered name, a folder, or the hub. All end as one local folder. Imports no torch."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit import fence, registry
from axkit.errors import CheckpointError, did_you_mean

_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]


@dataclass(frozen=True)
class ModelSource:
    """What an ``axkit.models`` entry point gives.

    Attributes:
        name: as registered.
        description: one line.
        prepare: writes or finds a local folder with config.json, safetensors and tokenizer, and returns it.
    """

    name: str
    description: str
    prepare: Callable[[], Path]


def check_name(model: str) -> None:
    """Refuse a name that can be no folder, no registered model and no hub id; reaches for nothing.

    Raises:
        CheckpointError: with the nearest registered name.
    """
    known = registry.entries(registry.MODELS)
    if model not in known and ":" in model and not os.path.exists(model):
        raise CheckpointError(f"unknown model '{model}'{did_you_mean(model, list(known))}")


def local_folder(model: str) -> Path:
    """The folder of a model; builds or downloads it where needed.

    Raises:
        CheckpointError: no such model, no network, a pickle checkpoint, or a damaged one.
    """
    known = registry.entries(registry.MODELS)
    if model in known:
        entry = known[model]
        source: ModelSource = entry.load_as(ModelSource, "an axkit.ModelSource")
        with fence.answering(entry.who, "could not be prepared", entry.is_ours, limited=False):
            folder = Path(source.prepare())
        return check_folder(folder)
    if os.path.isdir(model):  # os.path: False, not an error, for a name that no file system takes
        return check_folder(Path(model))
    if os.path.exists(model) or model.startswith((".", "/", "~")):
        raise CheckpointError(
            f"model '{model}' is no folder with a checkpoint; give one, a hub id or a registered name"
        )
    return check_folder(_download(model))


def model_config(model: str) -> dict[str, Any]:
    """config.json of a model by folder, registered name or hub id; builds or downloads it where needed.

    Raises:
        CheckpointError: as :func:`check_name` and :func:`local_folder`.
    """
    check_name(model)
    return read_config(local_folder(model))


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model, allow_patterns=_WANTED))
    except HFValidationError:
        raise CheckpointError(f"model '{model}' is neither a folder here nor a valid hub id; check the name") from None
    except Exception as error:  # the hub client raises its transport's errors; each means the model is not to be had
        raise CheckpointError(
            f"model '{model}' cannot be had from the hub ({type(error).__name__}); check the name and the network, "
            f"or give a folder or one of {', '.join(known_models())}"
        ) from error


def known_models() -> list[str]:
    """The registered names."""
    return list(registry.entries(registry.MODELS))


def check_folder(folder: Path) -> Path:
    """Refuse a folder that is no safe, whole checkpoint.

    Raises:
        CheckpointError: names the file and the way out.
    """
    config = read_config(folder)
    if "model_type" not in config:
        raise CheckpointError(f"{folder}/config.json names no model_type: it is no transformers checkpoint")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
            raise CheckpointError(
                f"{folder} holds a pickle checkpoint, which axkit never opens; save it again as safetensors "
                f"(model.save_pretrained writes them)"
            )
        raise CheckpointError(f"{folder} holds no safetensors file; save the model there with save_pretrained")
    for path in weights:
        read_header(path)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint folder.

    Raises:
        CheckpointError: missing or damaged.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no checkpoint: it has no config.json") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); restore it or save the model again") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a JSON object; restore it or save the model again")
    return config


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name -> dtype, shape, offsets. Checks that the file is whole.

    Raises:
        CheckpointError: damaged or truncated.
    """
    damaged = CheckpointError(f"{path} is truncated or damaged; copy or save it again")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise damaged
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise damaged
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            end = max((t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise damaged from error
    if 8 + length + end != size:
        raise damaged
    header.pop("__metadata__", None)
    return header


def count_parameters(folder: Path) -> int:
    """Values in the weights of a checkpoint, read off the file headers."""
    total = 0
    for path in folder.glob("*.safetensors"):
        for tensor in read_header(path).values():
            count = 1
            for extent in tensor["shape"]:
                count *= extent
            total += count
    return total
