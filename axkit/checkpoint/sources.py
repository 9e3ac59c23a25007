"""Where a model comes from: a registered name, a folder, or the hub. All end as one local folder. Imports no torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family, family_of
from axkit.checkpoint.config import NAME as CONFIG
from axkit.checkpoint.config import check_sizes
from axkit.checkpoint.config import read_config as read_config
from axkit.checkpoint.fit import check_fit
from axkit.checkpoint.foreign import refuse_other_runtime
from axkit.checkpoint.header import read_header as read_header
from axkit.checkpoint.tokenizer import check_tokenizer, check_vocabulary, pieces
from axkit.checkpoint.weights import read_headers
from axkit.ground import fence, registry
from axkit.ground.errors import CheckpointError, NotApplicable, did_you_mean

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
        CheckpointError: as ``check_name`` and ``local_folder``.
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
    """Refuse a folder that is no safe, whole checkpoint; nothing is loaded, and nothing of it is run.

    Raises:
        CheckpointError: names the file and the way out.
    """
    refuse_other_runtime(folder)
    return check_weights(folder)


def check_weights(folder: Path) -> Path:
    """The same of a folder of whichever runtime that keeps a transformers model's own files."""
    config = read_config(folder)
    header = read_headers(folder)
    if os.path.lexists(folder / "adapter_config.json"):
        raise CheckpointError(f"{folder} holds an adapter beside its model; merge it into the model and save the whole")
    if config.get("quantization_config") is not None and not _is_ours(folder, config["quantization_config"]):
        raise CheckpointError(
            f"{folder} was quantized elsewhere (quantization_config in {CONFIG}); take the model before it was "
            f"quantized, and a recipe with a pass that quantizes it"
        )
    family = _family(config["model_type"])
    if family is not None:
        check_sizes(config, family, folder / CONFIG)
        check_fit(folder, config, family, header)
    return folder


def check_reader(folder: Path) -> None:
    """Refuse a checkpoint whose tokenizer has files that make none, or ids that its model does not have.

    Raises:
        CheckpointError: names the file and the way out.
    """
    config = read_config(folder)
    family = _family(config["model_type"])
    if family is not None and family.inputs == "tokens":
        check_tokenizer(folder)
        check_vocabulary(folder, config)


def check_teacher(student: Path, teacher: str) -> None:
    """Refuse a teacher that is no checkpoint, or whose tokenizer splits text into other pieces, as far as files say it.

    Args:
        student: its folder.
        teacher: as in a recipe.

    Raises:
        CheckpointError: as ``local_folder`` and ``check_reader``, or for the pieces.
    """
    check_name(teacher)
    folder = local_folder(teacher)
    check_reader(folder)
    theirs = pieces(folder)
    if theirs is not None and pieces(student) not in (None, theirs):
        raise CheckpointError(f"model '{teacher}' splits text into other pieces; take one with the same vocabulary")


def count_parameters(folder: Path) -> int:
    """Values in the weights of a checkpoint, read off the file headers."""
    return sum(math.prod(tensor["shape"]) for tensor in read_headers(folder).values())


def _is_ours(folder: Path, quantization: Any) -> bool:
    """Whether axkit's own passes could have left it: bitsandbytes', in a folder with a manifest."""
    return (
        isinstance(quantization, dict)
        and quantization.get("quant_method") == "bitsandbytes"
        and os.path.lexists(folder / "axkit.json")
    )


def _family(model_type: str) -> Family | None:
    """The family, or None where ``family_of`` will say that there is none."""
    try:
        return family_of(model_type)
    except NotApplicable:
        return None
