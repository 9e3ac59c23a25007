"""A recipe as text, with a word on each line. Imports no torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any

from axkit.goal.look import Looked
from axkit.goal.settings import Goal
from axkit.ground import registry
from axkit.ground.plain.places import moved_files

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".nan", ".inf"}
_COLUMN = 44  # where comments begin, at the earliest
_WIDE = 118


@dataclass(frozen=True)
class PassLine:
    """A pass of a recipe, and what it is there for.

    Attributes:
        name: of the pass.
        settings: of it.
        why: for people: of the pass itself under ``""``, of each setting under its name.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """A recipe that is to be written.

    Attributes:
        name: of the recipe.
        looked: model and task.
        goal: that it serves.
        passes: in order.
        head: lines of comment that it begins with.
        batch: rows at a time that are measured, and what for; 32 where it is None.
        seed: of everything random.
    """

    name: str
    looked: Looked
    goal: Goal
    passes: Sequence[PassLine]
    head: Sequence[str] = ()
    batch: tuple[int, str] | None = None
    seed: int = 42

    def text(self, folder: Path) -> str:
        """As a file in a folder has it."""
        lines = [*(f"# {line}" for line in self.head), "axkit: 1", f"name: {self.name}"]
        brought = "fine-tuned already: what everything is measured against" if self.looked.has_head else ""
        model = scalar(seen_from(self.looked.model, folder))
        lines.append(_said(f"model: {model}", brought or "not trained for this yet"))
        lines += self._task(folder)
        lines.append(f"seed: {self.seed}")
        lines += self._target()
        lines.append("passes:")
        for one in self.passes:
            lines += _pass_lines(one)
        return "\n".join(lines) + "\n"

    def _target(self) -> Iterator[str]:
        target = {"device": "cuda"} if self.goal.where == "cuda" else {}
        if not target and self.batch is None:
            return
        yield "target:"
        for key, value in target.items():
            yield _said(f"  {key}: {value}", "what it is timed and cut for")
        if self.batch is not None:
            yield _said(f"  batch: {self.batch[0]}", self.batch[1])

    def _task(self, folder: Path) -> Iterator[str]:
        task, why = self.looked.task, self.looked.why
        if isinstance(task, str):
            yield f"task: {scalar(task)}"
            return
        yield "task:"
        for key, value in task.items():
            moved = moved_files(value, lambda one: seen_from(one, folder)) if key == "files" else value
            yield _said(f"  {key}: {scalar(moved)}", why.get(key, ""))


def seen_from(path: str, folder: Path) -> str:
    """A path from the working directory, as a file in a folder has it: relative where both are below that directory."""
    if path in registry.entries(registry.MODELS) or os.path.isabs(path) or not os.path.exists(path):
        return path
    inside = not any(os.path.relpath(one).startswith("..") for one in (path, folder))
    return os.path.relpath(path, folder) if inside else os.path.abspath(path)


def scalar(value: Any) -> str:
    """A value as YAML has it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.casefold() not in _WORDS and not value.startswith("...")
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        text = f"{value:.6g}"
        return text if "." in text or "e" not in text else text.replace("e", ".0e")
    return json.dumps(value)


def _pass_lines(one: PassLine) -> Iterator[str]:
    if one.why.get(""):
        lines = wrap(one.why[""], _WIDE - 4, break_long_words=False, break_on_hyphens=False)
        yield from (f"  # {line}" for line in lines)
    yield f"  - pass: {one.name}"
    for key, value in one.settings.items():
        yield _said(f"    {key}: {scalar(value)}", one.why.get(key, ""))


def _said(line: str, why: str) -> str:
    """A line and its comment."""
    return f"{line.ljust(_COLUMN)}  # {why}" if why else line
