"""The relative paths in a recipe, seen from the recipe's own folder. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from axkit.ground import registry
from axkit.ground.plain.places import Anchor, moved_files
from axkit.ground.plain.tree import Location
from axkit.tasks.task_file import names_task_file, read_task_file

Move = Callable[[str], str]


def anchor_recipe(tree: dict[str, Any], lines: dict[Location, int | str], anchor: Anchor) -> None:
    """Put paths in their place: the model, the files of the task or the task's own file, and files of settings.

    What is no path, or of another type than it should be, is left to whoever checks it.

    Args:
        tree: of a recipe, changed in place.
        lines: of its keys and items; those of a task in a file of its own come to it.
        anchor: the recipe's file.

    Raises:
        RecipeError: the task's file cannot be read.
    """
    task = tree.get("task")
    if isinstance(task, str) and names_task_file(task):
        found = read_task_file(anchor.path(task))
        lines.update(found.moved_lines)
        _move(tree, anchor.path, anchor.if_there)
        tree["task"] = dict(found.tree)
    else:
        _move(tree, anchor.path, anchor.if_there)


def seen_from(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A recipe for another folder: what its paths lead to from the working directory they lead to from there."""

    def moved(value: str) -> str:
        there = not os.path.isabs(value) and "\0" not in value and os.path.exists(value)
        return os.path.relpath(value, folder) if there else value

    _move(tree, moved, moved)
    return tree


def _move(tree: dict[str, Any], path: Move, perhaps: Move) -> None:
    """Move each path of a recipe.

    Args:
        tree: of the recipe, changed in place.
        path: moves what is a path.
        perhaps: moves what is one only where something of that name is there.
    """
    model, task, passes = tree.get("model"), tree.get("task"), tree.get("passes")
    if isinstance(model, str) and model not in registry.entries(registry.MODELS):
        tree["model"] = (path if model.startswith(".") else perhaps)(model)
    if isinstance(task, dict) and "files" in task:
        tree["task"] = {**task, "files": moved_files(task["files"], path)}
    for step in passes if isinstance(passes, list) else ():
        if isinstance(step, dict):
            _settings(step, perhaps)


def _settings(step: dict[str, Any], perhaps: Move) -> None:
    """Settings with a slash or a suffix may be paths; those of the passes that a pass runs too."""
    for key, value in step.items():
        if isinstance(value, dict):
            _settings(value, perhaps)
        elif isinstance(value, str) and key != "pass" and ("/" in value or os.path.splitext(value)[1]):
            step[key] = perhaps(value)
