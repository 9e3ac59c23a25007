"""Where something stands in a file, in words; and where the paths that stand in it lead."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground.errors import shown
from axkit.ground.plain.tree import Location

Lines = Mapping[Location, int | str]  # the 1-based line of a key or item, or the words for another place


class MovedPath(FutureWarning):
    """A path that still leads somewhere, and one day will not."""


def place(label: str, lines: Lines, location: Location) -> str:
    """Name the file and line of a location, or of what encloses it."""
    while location not in lines and location:
        location = location[:-1]
    found = lines.get(location)
    return found if isinstance(found, str) else f"{label}, line {found}" if found else label


@dataclass(frozen=True)
class Anchor:
    """A file whose relative paths are seen from its own folder.

    Attributes:
        file: its path, as given.
    """

    file: Path

    @classmethod
    def in_folder(cls, folder: str | Path, label: str) -> Anchor:
        """Of a text that is at hand, whose file stood in a folder."""
        return cls(Path(folder) / label)

    def path(self, value: str) -> str:
        """A path in the file, as it leads there from the working directory.

        What is there only seen from the working directory, as all paths were, is taken so, with a warning.
        """
        seen = self.beside(value)
        if seen == value or os.path.exists(seen) or not os.path.exists(value):
            return seen
        warnings.warn(
            f"{self.file.name}: '{shown(value)}' was found in the folder where axkit runs; paths in a file are seen "
            f"from its own folder: write '{shown(os.path.relpath(value, self.file.parent))}', as one day only that is "
            f"found",
            MovedPath,
            stacklevel=2,
        )
        return value

    def if_there(self, value: str) -> str:
        """As ``path``, of what may be a path or something else: that stays as it is."""
        there = "\0" not in value and (os.path.exists(self.beside(value)) or os.path.exists(value))
        return self.path(value) if there else value

    def beside(self, value: str) -> str:
        """Seen from the folder of the file; as it is where that is the working directory."""
        folder = self.file.parent
        if os.path.isabs(value) or value.startswith("~") or folder == Path() or _is_here(folder):
            return value
        return os.path.normpath(folder / value)


def _is_here(folder: Path) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except (OSError, ValueError):
        return False


def moved_files(files: Any, move: Callable[[str], str]) -> Any:
    """The ``files`` of a task, a path, paths or either for each split, each moved; anything else is left as it is."""
    if isinstance(files, str):
        return move(files)
    if isinstance(files, list):
        return [moved_files(one, move) for one in files]
    if isinstance(files, dict):
        return {name: moved_files(one, move) for name, one in files.items()}
    return files
