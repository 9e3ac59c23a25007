"""Hashes of files and folders; of large files remembered, so that they are read once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from axkit.ground.cache import cache_folder
from axkit.ground.files import replacing

_LARGE = 2**20  # bytes, from which a hash is worth remembering
_SETTLED_S = 2.0  # a file changed since may change again within one tick of the file system's clock


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    That of a large file is kept in ``$AXKIT_CACHE/hashes`` (``~/.cache/axkit/hashes``) beside its size, times and
    inode; the file is read again where any of those, or the entry itself, is not as it was.

    Raises:
        OSError: the file cannot be read.
    """
    found = path.stat()
    if found.st_size < _LARGE:
        return read_hash(path)
    state = [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    entry = _entry(path)
    known = _known(entry, state)
    if known is not None:
        return known
    made = read_hash(path)
    if time.time() - max(found.st_mtime, found.st_ctime) > _SETTLED_S:
        _remember(entry, state, made)
    return made


def files_hash(root: Path, files: Iterable[Path]) -> str:
    """Of these files' names below ``root`` and their bytes, in whatever order they come."""
    lines = sorted(f"{path.relative_to(root).as_posix()} {file_hash(path)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def read_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read now whatever is remembered of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return cache_folder() / "hashes" / f"{name}.json"


def _known(entry: Path, state: list[int]) -> str | None:
    try:
        found = json.loads(entry.read_text(encoding="utf-8"))
        whole = found["state"] == state and found["check"] == _check(state, found["sha256"])
        return str(found["sha256"]) if whole else None
    except (OSError, ValueError, TypeError, KeyError):  # missing, or damaged in whatever way
        return None


def _remember(entry: Path, state: list[int], made: str) -> None:
    content: dict[str, Any] = {"state": state, "sha256": made, "check": _check(state, made)}
    with suppress(OSError):  # no room, or not ours: the file is read again next time
        entry.parent.mkdir(parents=True, exist_ok=True)
        with replacing(entry, shared=True) as partial:
            partial.write_text(json.dumps(content), encoding="utf-8")


def _check(state: list[int], made: str) -> str:
    return hashlib.sha256(f"{state} {made}".encode()).hexdigest()
