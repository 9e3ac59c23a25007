"""Model folders: what is in them, checked before they load."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import dense_structure
from axkit.checkpoint.sources import check_folder, read_config
from axkit.contract.subject import Subject
from axkit.ground.errors import CheckpointError
from axkit.ground.hashes import read_hash
from axkit.ground.quiet import quiet
from axkit.runtimes.manifest import FORMAT, MANIFEST, check_described, check_hashes
from axkit.runtimes.manifest import read_manifest as read_manifest
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.loading import load_weights

_MODEL_FILES = ("config.json", MANIFEST)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "merges.txt")
_READER_FILES = (*_TOKENIZER_FILES, "preprocessor_config.json")


def save(subject: Subject, tokenizer: Any, folder: Path, about: Mapping[str, Any] | None = None) -> int:
    """Write a model into an existing folder (see :func:`axkit.ground.atomic.atomic_folder`).

    Args:
        subject: what to save.
        tokenizer: goes along; the image reader of a model that reads pixels.
        folder: must exist.
        about: JSON for the manifest: task, metric, label names.

    Returns:
        Bytes of the model: weights, config, manifest, tokenizer.
    """
    from safetensors.torch import save_file

    if subject.is_stock:
        with quiet():
            subject.module.save_pretrained(folder)
    else:
        _save_config(subject, folder)
        weights = {name: tensor.detach().contiguous() for name, tensor in subject.module.state_dict().items()}
        try:
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        except Exception as error:
            _raise_if_full(error, folder)
            raise
        # safetensors writes for the owner alone; a deployment may run as another user
        (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    tokenizer.save_pretrained(folder)
    manifest = {
        "format": FORMAT,
        "axkit": _version(),
        "structure": subject.structure.to_json(),
        "trail": [step.to_json(subject.structure) for step in subject.trail],
        "about": dict(about or {}),
        "sha256": {path.name: read_hash(path) for path in sorted(folder.iterdir()) if path.is_file()},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False), encoding="utf-8")
    return model_bytes(folder)


def _raise_if_full(error: Exception, folder: Path) -> None:
    """safetensors wraps the operating system's error in one of its own."""
    if "No space left" in str(error) or "os error 28" in str(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _save_config(subject: Subject, folder: Path) -> None:
    stock: Any = type(subject.module)
    made = classes.model_class(stock) if not stock.__name__.startswith("Axkit") else stock
    fields = {k: v for k, v in subject.module.config.to_dict().items() if k not in ("model_type", "axkit")}
    config = made.config_class(**fields, axkit=classes.describe(subject))
    config.architectures = [made.__name__]
    config.save_pretrained(folder)


def model_bytes(folder: Path) -> int:
    """Bytes on disk of what a deployment copies: weights, config, manifest, tokenizer; no report, no recipe."""
    wanted = [folder / name for name in (*_MODEL_FILES, *_READER_FILES)] + list(folder.glob("*.safetensors"))
    return sum(path.stat().st_size for path in wanted if path.is_file())


def load_subject(folder: str | Path) -> Subject:
    """A saved model with its structure and trail.

    Raises:
        CheckpointError: no checkpoint, a damaged or changed one, a pickle, or one that needs a missing plugin.
    """
    folder = check_folder(Path(folder))
    manifest = read_manifest(folder)
    if manifest is not None:
        check_hashes(folder, manifest)
    config = read_config(folder)
    family = family_of(config["model_type"])
    described = manifest or config.get("axkit")
    if described is None:
        module = load_module(folder, config)
        return Subject(module, family, dense_structure(module, family))
    structure, trail = check_described(described, folder / (MANIFEST if manifest else "config.json"))
    _refuse_two_stories(folder, config, structure)
    return Subject(load_module(folder, config), family, structure, trail)


def _refuse_two_stories(folder: Path, config: Mapping[str, Any], structure: Structure) -> None:
    """The manifest's structure must be the one that the config rebuilds; none there is a dense model."""
    inside = config.get("axkit")
    told = None if inside is None else check_described(inside, folder / "config.json")[0]
    if (told is None and not structure.is_dense) or (told is not None and told != structure):
        raise CheckpointError(
            f"{folder}/{MANIFEST} and config.json say different things of what is left of the model; copy the whole "
            f"folder again"
        )


def load_module(folder: Path, config: Mapping[str, Any]) -> Any:
    """The transformers model of a folder, in eval mode; every weight comes from the files.

    Raises:
        CheckpointError: weights are missing, left over, of another shape, or no numbers.
    """
    names = config.get("architectures") or ["?"]
    module = load_weights(_class_of(names[0], config, folder).from_pretrained, folder, config)
    if getattr(module, "hf_quantizer", None) is not None:
        # transformers 5.23 cannot undo how it loaded quantized weights, and without this would not save them again
        module.__dict__.pop("_weight_conversions", None)
    return module


def _class_of(name: str, config: Mapping[str, Any], folder: Path) -> Any:
    """The class that a config names: one of ours, or a model of transformers that is of the config's type."""
    import transformers

    found = getattr(classes, name, None) if name.startswith("Axkit") else getattr(transformers, name, None)
    is_model = isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)
    if found is None or not is_model or getattr(found.config_class, "model_type", None) != config["model_type"]:
        raise CheckpointError(
            f"{folder}/config.json names the architecture {name}, which is none of {config['model_type']}; give "
            f"another checkpoint"
        )
    return found


def load(folder: str | Path) -> Any:
    """Load a model that axkit saved, as an ordinary transformers model in eval mode.

    Args:
        folder: a run folder, or any transformers checkpoint with safetensors.

    Raises:
        CheckpointError: one sentence that says what is wrong with the folder.
    """
    return load_subject(folder).module


def _version() -> str:
    from axkit.ground.version import __version__

    return __version__
