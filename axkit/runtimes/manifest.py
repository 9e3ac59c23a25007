"""``axkit.json``, and the field of config.json that says the same: read by types, held against the files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from axkit.anatomy.structure import Structure
from axkit.checkpoint.weights import is_plain
from axkit.contract.manifest import FORMAT, TORCH, Manifest
from axkit.contract.manifest import MANIFEST as MANIFEST
from axkit.contract.registered import load_pass
from axkit.contract.trail import TrailStep
from axkit.contract.traits import TORCH_MODULE
from axkit.ground.errors import AxkitError, CheckpointError
from axkit.ground.files import MEGABYTE, open_regular, read_object
from axkit.tasks.about import About

_LARGEST = 64 * MEGABYTE  # a pass may keep a state in it

_INDICES = 1 << 23  # of all structures of a trail: what a file may make us count out


def read_manifest(folder: Path) -> Manifest | None:
    """axkit.json, or None where there is none.

    Raises:
        CheckpointError: damaged, or of a newer axkit.
    """
    path = folder / MANIFEST
    try:
        found = read_object(path, _LARGEST)
    except FileNotFoundError:
        return None
    version = found.get("format")
    if type(version) is int and version > FORMAT:
        raise CheckpointError(f"{path} has format {version}, this axkit reads {FORMAT}; upgrade axkit")
    about, hashes, runtime = found.get("about"), found.get("sha256"), found.get("runtime", TORCH)
    if type(version) is not int or version != FORMAT or not isinstance(about, dict) or not isinstance(hashes, dict):
        raise _damaged(path, "format, about or sha256")
    for name, value in hashes.items():
        if not is_plain(name) or not isinstance(value, str):
            raise CheckpointError(f"{path} lists '{name:.80}', which is no file of this folder; copy the folder again")
    keeps = found.get("keeps_model", False)
    if not isinstance(runtime, str):
        raise _damaged(path, "runtime")
    if type(keeps) is not bool:
        raise _damaged(path, "keeps_model")
    structure, trail = check_described({name: found.get(name) for name in ("structure", "trail")}, path)
    task, by = About.from_json(about, f"{path}"), str(found.get("axkit", ""))
    return Manifest(structure, trail, task, runtime, hashes, by, keeps)


def to_work_on(manifest: Manifest | None) -> Manifest | None:
    """What a folder says of the model whose files it keeps for another runtime: without what made that one's body."""
    if manifest is None or manifest.runtime == TORCH or not manifest.keeps_model:
        return manifest
    return replace(manifest, runtime=TORCH, keeps_model=False, trail=tuple(takewhile(_keeps_module, manifest.trail)))


def _keeps_module(step: TrailStep) -> bool:
    try:
        return TORCH_MODULE not in load_pass(step.name).pass_class.ends
    except AxkitError:  # who needs to know what it did says that it is not installed
        return True


def check_described(described: Any, path: Path) -> tuple[Structure, tuple[TrailStep, ...]]:
    """The structure and the trail of ``{"structure": ..., "trail": [...]}``.

    Raises:
        CheckpointError: it is no such thing.
    """
    if not isinstance(described, dict) or not isinstance(described.get("trail"), list):
        raise _damaged(path, "structure or trail")
    left = _INDICES
    steps: list[TrailStep] = []
    try:
        end = Structure.from_json(described.get("structure"))
        for data in described["trail"]:
            steps.append(TrailStep.from_json(data, end))
            own = steps[-1].structure
            left -= 0 if own is None or own is end else sum(len(x.heads) + len(x.neurons) for x in own.layers)
            if left < 0:
                raise _damaged(path, "its trail keeps more than any model has")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return end, tuple(steps)


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder whose files are not those that axkit wrote.

    Raises:
        CheckpointError: names the file.
    """
    for name, wanted in manifest.sha256.items():
        try:
            with open_regular(folder / name) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise CheckpointError(f"{folder} lacks {name}, which its axkit.json lists; copy the whole folder") from None
        if found != wanted:
            raise CheckpointError(f"{folder / name} is not the file that axkit wrote; copy the whole folder again")


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged ({what}); copy the whole folder again")
