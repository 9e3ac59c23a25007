"""Model folders: what is in them, checked before they load."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import dense_structure
from axkit.errors import CheckpointError
from axkit.models import check_folder, read_config
from axkit.quiet import quiet, quiet_quantizers
from axkit.saving import classes
from axkit.subject import Subject, TrailStep

MANIFEST = "axkit.json"
FORMAT = 1
_MODEL_FILES = ("config.json", MANIFEST)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "merges.txt")
_READER_FILES = (*_TOKENIZER_FILES, "preprocessor_config.json")


def save(subject: Subject, tokenizer: Any, folder: Path, about: Mapping[str, Any] | None = None) -> int:
    """Write a model into an existing folder (see :func:`axkit.saving.atomic.atomic_folder`).

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
        "sha256": {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()},
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


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """axkit.json, or None where there is none.

    Raises:
        CheckpointError: damaged, or of a newer axkit.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); run the recipe again") from error
    if version != FORMAT:
        raise CheckpointError(f"{path} has format {version}, this axkit reads {FORMAT}; upgrade axkit")
    return manifest


def _check_hashes(folder: Path, manifest: Mapping[str, Any]) -> None:
    for name, wanted in manifest["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder} lacks {name}, which its axkit.json lists; copy the whole folder")
        if _sha256(path) != wanted:
            raise CheckpointError(f"{path} is not the file that axkit wrote; copy it again or run the recipe again")


def load_subject(folder: str | Path) -> Subject:
    """A saved model with its structure and trail.

    Raises:
        CheckpointError: no checkpoint, a damaged or changed one, a pickle, or one that needs a missing plugin.
    """
    folder = check_folder(Path(folder))
    manifest = read_manifest(folder)
    if manifest is not None:
        _check_hashes(folder, manifest)
    config = read_config(folder)
    family = family_of(config["model_type"])
    module = load_module(folder, config)
    if manifest is None:
        return Subject(module, family, dense_structure(module, family))
    structure = Structure.from_json(manifest["structure"])
    return Subject(module, family, structure, tuple(TrailStep.from_json(step, structure) for step in manifest["trail"]))


def load_module(folder: Path, config: Mapping[str, Any]) -> Any:
    """The transformers model of a folder, in eval mode; every weight comes from the files.

    Raises:
        CheckpointError: weights are missing, left over, or of another shape.
    """
    import transformers

    names = config.get("architectures") or ["?"]
    model_class = getattr(classes, names[0], None) or getattr(transformers, names[0], None)
    if model_class is None or not hasattr(model_class, "from_pretrained"):
        raise CheckpointError(
            f"{folder}/config.json names the unknown architecture {names[0]}; give another checkpoint"
        )
    quiet_quantizers()
    try:
        with quiet():
            module, info = model_class.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except ImportError as error:
        needed = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{folder} needs a package that is not installed ({needed}); install it") from error
    except RuntimeError as error:
        if "size mismatch" in str(error) or "mismatch" in str(error):
            raise CheckpointError(f"the weights in {folder} do not fit its config.json; copy both again") from error
        raise
    wrong = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    if wrong:
        raise CheckpointError(
            f"the weights in {folder} do not fit its config.json ({len(wrong)} tensors, {wrong[0]} first); "
            f"copy both again, or run the recipe again"
        )
    if getattr(module, "hf_quantizer", None) is not None:
        # transformers 5.23 cannot undo how it loaded quantized weights, and without this would not save them again
        module.__dict__.pop("_weight_conversions", None)
    return module.eval()


def load(folder: str | Path) -> Any:
    """Load a model that axkit saved, as an ordinary transformers model in eval mode.

    Args:
        folder: a run folder, or any transformers checkpoint with safetensors.

    Raises:
        CheckpointError: one sentence that says what is wrong with the folder.
    """
    return load_subject(folder).module


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version() -> str:
    from axkit import __version__

    return __version__
