"""Names to objects, through entry points. Listing imports nothing; collisions and broken plugins are told.

The ``entrypoints`` package does the scan; this file is the one door to it (docs/decisions/0006).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import entrypoints

from axkit.errors import PluginError, did_you_mean

PASSES = "axkit.passes"
FAMILIES = "axkit.families"
TASKS = "axkit.tasks"
MODELS = "axkit.models"
_WHAT = {PASSES: "pass", FAMILIES: "family", TASKS: "task", MODELS: "model"}


@dataclass(frozen=True)
class Entry:
    """One registered name: where it comes from, and how to load it."""

    group: str
    name: str
    target: str  # "module:object"
    distribution: str  # "name version"
    rivals: tuple[str, ...] = ()  # other distributions that registered the same name

    def load(self) -> Any:
        """Import and return the object.

        Raises:
            PluginError: the name is registered twice, or its module fails to import.
        """
        what = _WHAT[self.group]
        if self.rivals:
            both = " and ".join((self.distribution, *self.rivals))
            raise PluginError(f"{what} '{self.name}' is registered by {both}; uninstall one of them")
        module, _, attribute = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except Exception as error:  # a stranger's module may fail in any way; it must not take the rest along
            raise PluginError(
                f"{what} '{self.name}' of {self.distribution} cannot be imported from {self.target} "
                f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}); "
                f"mend or uninstall that package"
            ) from error
        return found


def _distribution(point: Any) -> str:
    return f"{point.distro.name} {point.distro.version}" if point.distro else "an unnamed distribution"


@cache
def entries(group: str) -> dict[str, Entry]:
    """All names of a group, sorted. Nothing is imported."""
    found: dict[str, Entry] = {}
    for point in entrypoints.get_group_all(group):
        entry = Entry(group, point.name, f"{point.module_name}:{point.object_name}", _distribution(point))
        other = found.get(point.name)
        if other is None:
            found[point.name] = entry
        elif (other.target, other.distribution) != (entry.target, entry.distribution):
            rivals = (*other.rivals, entry.distribution)
            found[point.name] = Entry(group, point.name, other.target, other.distribution, rivals)
    return dict(sorted(found.items()))


def get(group: str, name: str) -> Any:
    """Load one object by its registered name.

    Raises:
        PluginError: no such name (the nearest one is suggested), a collision, or a failing import.
    """
    known = entries(group)
    if name not in known:
        raise PluginError(f"unknown {_WHAT[group]} '{name}'{did_you_mean(name, list(known))}")
    return known[name].load()
