"""Whether a folder can be written, asked before any work is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from axkit.ground import owners
from axkit.ground.errors import StorageError


def check_writable(target: Path) -> None:
    """Refuse a place that no folder can be put at; leaves nothing there, and others in peace.

    Raises:
        StorageError: names the place and the reason.
    """
    try:
        if target.exists() and not target.is_dir():
            raise StorageError(f"{target} cannot be written: it is a file; choose another --out")
        above = next(folder for folder in target.absolute().parents if folder.exists())
        if not above.is_dir():
            raise StorageError(f"{target} cannot be written: {above} is a file; choose another --out")
        _check_names(above, owners.own(target.absolute(), "partial"))
        probe = owners.own(above / "probe", "partial")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error.strerror}); choose another --out") from error


def _check_names(above: Path, target: Path) -> None:
    """Refuse names that are too long for the file system, without making any of them."""
    if not hasattr(os, "pathconf"):
        return
    longest = os.pathconf(above, "PC_NAME_MAX")
    if any(len(os.fsencode(name)) > longest for name in target.relative_to(above).parts):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
