"""Files: those of others opened without waiting, read up to a size, parsed up to a depth; ours replaced at once.

Imports no torch.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError

MEGABYTE = 1 << 20
DEPTH = 100
_POINTER = b"version https://git-lfs"
_TO_FLUSH = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY  # there, only what may be written


@contextmanager
def replacing(path: Path, durable: bool = False, shared: bool = False) -> Iterator[Path]:
    """Yield a place beside ``path``; what is written there takes its place when the block ends without an error.

    Whoever reads ``path`` meanwhile, or after a kill, finds what it held before, whole.

    Args:
        path: of the file.
        durable: it is on disk, not in the system's memory alone, before it takes the place.
        shared: several processes may write this file at the same time; else what a killed one left is written over.

    Raises:
        OSError: the disk is full or not writable; ``path`` is as before, and nothing is left beside it.
    """
    partial = path.with_name(f".{path.name}.partial{f'-{os.getpid()}' if shared else ''}")
    try:
        yield partial
        if durable:
            on_disk(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def on_disk(path: Path) -> None:
    """Have what is written of a file, or of the names in a folder, on disk; Windows opens no folder."""
    with suppress(PermissionError, IsADirectoryError):
        number = os.open(path, _TO_FLUSH)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def open_regular(path: Path) -> io.BufferedReader:
    """A file for reading; one that is a pipe, a device, a socket or a folder is refused without being waited for.

    Links are followed: the hub's cache is made of them (docs/decisions/0023).

    Raises:
        CheckpointError: it is none of a file's kind, cannot be read, or is git-lfs's pointer to one.
        FileNotFoundError: there is none.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        if os.path.lexists(path):
            raise CheckpointError(f"{path} is a link to nowhere; restore the file") from error
        raise
    except (OSError, ValueError) as error:  # a socket, no right to read, a name that no file can have
        raise CheckpointError(f"{path} cannot be opened ({_why(error)}); restore it") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise CheckpointError(f"{path} is no file but a folder, pipe or device; restore it")
    file = os.fdopen(number, "rb")
    try:
        start = file.read(len(_POINTER))
        file.seek(0)
    except OSError as error:
        file.close()
        raise CheckpointError(f"{path} cannot be read ({_why(error)}); restore it") from error
    if start == _POINTER:
        file.close()
        raise CheckpointError(f"{path} is a git-lfs pointer, not the file itself; fetch it with 'git lfs pull'")
    return file


def read_json(path: Path, most: int = MEGABYTE, depth: int = DEPTH) -> Any:
    """JSON of a file.

    Args:
        path: of the file.
        most: bytes, at most.
        depth: levels, at most.

    Raises:
        CheckpointError: it is damaged, too large or too deep, names a key twice, or ``open_regular`` refuses it.
        FileNotFoundError: there is none.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise CheckpointError(f"{path} is larger than {most // MEGABYTE} MB, which no such file is; restore it")
    return parse(data, path, depth)


def parse(data: bytes, path: Path, depth: int = DEPTH) -> Any:
    """JSON as ``read_json`` takes it: no key twice, no NaN or Infinity, no more than ``depth`` levels.

    Raises:
        CheckpointError: it is not.
    """
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise CheckpointError(f"{path} is nested deeper than {depth} levels; restore it") from None
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read ({_why(error)}); restore it") from error
    if _deeper(found, depth):
        raise CheckpointError(f"{path} is nested deeper than {depth} levels; restore it")
    return found


def read_object(path: Path, most: int = MEGABYTE) -> dict[str, Any]:
    """As ``read_json``, of a file whose JSON is an object.

    Raises:
        CheckpointError: it is no object, or as ``read_json``.
        FileNotFoundError: there is none.
    """
    found = read_json(path, most)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is not a JSON object; restore it")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _no_number(said: str) -> Any:
    raise ValueError(f"{said} is no JSON")


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper; level by level, so that no depth is too much for us."""
    here = [value]
    for _ in range(levels + 1):
        here = [
            inner
            for one in here
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not here:
            return False
    return True


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]) or type(error).__name__
