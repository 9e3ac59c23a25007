"""The text of a file that a user names: a regular one, of bearable size, in UTF-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from axkit.ground.errors import RecipeError, shown

MOST_BYTES = 256 * 1024  # some 5,000 lines
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def read_file(path: str | Path, what: str) -> str:
    """The text of a file, where it is a regular one of bearable size in UTF-8.

    Args:
        path: of the file.
        what: it should hold ("recipe"), for messages.

    Raises:
        RecipeError: one sentence.
    """
    try:
        status = os.stat(path)
        kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "a device")
        if not stat.S_ISREG(status.st_mode):
            raise RecipeError(f"{what} {path} is {kind}, no file; give the path of a YAML file")
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise RecipeError(f"no {what} at {str(path) or 'an empty path'}: give the path of a YAML file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RecipeError(f"{what} {shown(str(path))} cannot be read ({why}); give the path of a YAML file") from error
    bound(len(raw), f"{what} {path}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RecipeError(
            f"{what} {path}, line {line}: byte {error.start} is no UTF-8 text; save the file as UTF-8"
        ) from error


def bound(size: int, where: str) -> None:
    """Refuse a text of over MOST_BYTES."""
    if size > MOST_BYTES:
        raise RecipeError(f"{where} holds over {MOST_BYTES // 1024} KiB, which is no list of settings; shorten it")
