"""A YAML file that holds a task, wherever one is named. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground import registry
from axkit.ground.errors import RecipeError, shown
from axkit.ground.plain.files import read_file
from axkit.ground.plain.places import Anchor, Lines, moved_files, place
from axkit.ground.plain.tree import Location, parse

SUFFIXES = (".yaml", ".yml")
_OF_ROWS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".conll")


@dataclass(frozen=True)
class TaskFile:
    """A task that stands in a file.

    Attributes:
        path: of the file.
        tree: the task, as a recipe has it; its relative paths as they lead from the working directory.
        lines: of each key and item.
    """

    path: Path
    tree: Mapping[str, Any]
    lines: Lines

    def place(self, location: Location) -> str:
        """Words for a location of a recipe's task, ``("task", ...)``."""
        return place(self.path.name, self.lines, location[1:])

    @property
    def moved_lines(self) -> dict[Location, str]:
        """Words for each location, below a recipe's ``task``."""
        return {("task", *at): place(self.path.name, self.lines, at) for at in ((), *self.lines)}


def names_task_file(wanted: Any) -> bool:
    """Whether this is no name of a task but the path of a file with one."""
    return isinstance(wanted, str) and wanted.endswith(SUFFIXES)


def unknown_task(name: str) -> str:
    """The sentence for a name that is none of a task."""
    if Path(name).suffix.lower() in _OF_ROWS:
        return (
            f"'{shown(name)}' is a file of rows and no task: name it under 'files' of a task, in the recipe or in a "
            f"YAML file of its own, or give it to axkit compress"
        )
    return registry.unknown(registry.TASKS, name)


def read_task_file(path: str | Path) -> TaskFile:
    """The task of a file.

    Raises:
        RecipeError: no such file, not UTF-8, not YAML, or no mapping.
    """
    tree, lines = parse(read_file(path, "task"), Path(path).name)
    if not isinstance(tree, dict):
        raise RecipeError(f"{Path(path).name}: a task file is a mapping of keys to values")
    if "files" in tree:
        tree = {**tree, "files": moved_files(tree["files"], Anchor(Path(path)).path)}
    return TaskFile(Path(path), tree, dict(lines))


def opened(wanted: str | Mapping[str, Any], place: Callable[[Location], str]) -> tuple[Any, Callable[[Location], str]]:
    """A task as named or described, with the words for its places; that of a file where a file is named."""
    if not isinstance(wanted, str) or not names_task_file(wanted):
        return wanted, place
    found = read_task_file(wanted)
    return found.tree, found.place
