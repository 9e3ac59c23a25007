"""Model folders of any runtime: a body's files, a reader's, and the manifest that hashes both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import dense_structure
from axkit.checkpoint.sources import check_folder, read_config
from axkit.contract.manifest import MANIFEST, TORCH, Manifest
from axkit.contract.subject import Subject
from axkit.ground.hashes import read_hash
from axkit.runtimes.golden import write_golden
from axkit.runtimes.known import keeps_model, load_body, save_body
from axkit.runtimes.limits import lengths_of
from axkit.runtimes.manifest import check_described, check_hashes, read_manifest, to_work_on
from axkit.runtimes.torch.body import TorchBody
from axkit.runtimes.torch.loading import load_module
from axkit.tasks.about import About


def save(subject: Subject, tokenizer: Any, folder: Path, about: About | None = None, golden: bool = False) -> int:
    """Write a model into an existing folder (see ``axkit.ground.atomic.atomic_folder``).

    Args:
        subject: what to save.
        tokenizer: goes along; the image reader of a model that reads pixels.
        folder: must exist.
        about: the task that it was made for.
        golden: write batches and the model's answers beside it, by which ``axkit verify`` goes.

    Returns:
        Bytes of the model: all files of the folder but code and golden batches, the manifest among them.

    Raises:
        PluginError: a body of another runtime breaks its contract.
    """
    body, about = subject.body, about or About()
    manifest = Manifest(subject.structure, subject.trail, about, body.runtime, keeps_model=keeps_model(body))
    if body.runtime != TORCH:
        manifest = replace(manifest, lengths=lengths_of(subject, tokenizer, about, folder))
    save_body(body, folder, manifest)
    tokenizer.save_pretrained(folder)
    if golden:
        write_golden(subject, tokenizer, folder)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST]
    manifest = replace(manifest, sha256={path.name: read_hash(path) for path in files})
    (folder / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=1, allow_nan=False), encoding="utf-8")
    return manifest.bytes_of(folder)


def load_subject(folder: str | Path) -> Subject:
    """A saved model with its structure and trail; of the runtime that its manifest names, of torch where it has none.

    Raises:
        CheckpointError: no checkpoint, a damaged or changed one, a pickle, or one that needs a missing plugin.
    """
    folder = Path(folder)
    return _loaded(folder, read_manifest(folder))


def load_to_work(folder: str | Path) -> Subject:
    """What passes work on: a folder's model, or the transformers model whose files it keeps for another runtime.

    Raises:
        CheckpointError: as ``load_subject``.
    """
    folder = Path(folder)
    return _loaded(folder, to_work_on(read_manifest(folder)))


def _loaded(folder: Path, manifest: Manifest | None) -> Subject:
    config = read_config(folder)
    if manifest is None or manifest.holds_model:
        check_folder(folder)
    if manifest is not None:
        check_hashes(folder, manifest)
    family = family_of(config["model_type"])
    if manifest is None and config.get("axkit") is not None:
        manifest = Manifest(*check_described(config["axkit"], folder / "config.json"))
    if manifest is None:
        module = load_module(folder, config)
        return Subject(TorchBody(module), None, family, dense_structure(module, family))
    return Subject(load_body(folder, manifest), None, family, manifest.structure, manifest.trail)


def load(folder: str | Path) -> Any:
    """Load a model that axkit saved, as an ordinary transformers model in eval mode.

    Args:
        folder: a run folder, or any transformers checkpoint with safetensors.

    Raises:
        CheckpointError: one sentence that says what is wrong with the folder.
        NotApplicable: it holds no transformers model, but another runtime's (see ``load_subject``).
    """
    return load_to_work(folder).module
