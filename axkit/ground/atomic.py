"""Folders that are written whole or not at all, with no moment without one of the two."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from axkit.ground import owners
from axkit.ground.errors import storing
from axkit.ground.files import on_disk

_AT_FDCWD, _EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``; it takes the target's place when the block ends without an error.

    Raises:
        StorageError: the disk is full or not writable; the target is as before.
    """
    with draft_of(target) as draft:
        yield draft.folder
        draft.place(target)


class Draft:
    """A folder that is being written beside its target.

    Attributes:
        folder: to write into.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, target: Path) -> None:
        """Put it in the place of ``target``, whatever is there."""
        _all_on_disk(self.folder)
        _swap(self.folder, target)
        on_disk(target.parent)

    def place_beside(self, target: Path) -> Path:
        """Put it where nothing is: at ``target``, or else at ``target``-2 and so on; the place."""
        _all_on_disk(self.folder)
        number, place = 1, target
        while True:
            try:
                if place.is_symlink() or place.exists():
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
                self.folder.rename(place)  # fails where a folder with something in it came just now
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                number += 1
                place = target.with_name(f"{target.name}-{number}")
                continue
            on_disk(target.parent)
            return place


@contextmanager
def draft_of(target: Path) -> Iterator[Draft]:
    """A folder to write, which the block itself puts in its place; gone afterwards if it did not.

    Raises:
        StorageError: the disk is full or not writable.
    """
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        recover(target)
        partial = owners.own(target, "partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            yield Draft(partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def recover(target: Path) -> None:
    """Remove what processes that are gone left beside ``target``; one that died between two renames left the result."""
    for old in owners.left_by_the_dead(target, "old"):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
    for partial in owners.left_by_the_dead(target, "partial"):
        shutil.rmtree(partial, ignore_errors=True)


def _all_on_disk(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        on_disk(path)


def _swap(partial: Path, target: Path) -> None:
    """``partial`` at the place of ``target``; what was there is removed."""
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    if not target.exists() and not target.is_symlink():
        partial.rename(target)
        return
    old = partial
    if not _exchange(partial, target):  # a moment without either; who starts after a kill finds the old one (recover)
        old = owners.own(target, "old")
        target.rename(old)
        try:
            partial.rename(target)
        except OSError:
            old.rename(target)
            raise
    if old.is_symlink():
        old.unlink()
    else:
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where the system cannot."""
    call = _renameat2()
    return call is not None and call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0


@cache
def _renameat2() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
