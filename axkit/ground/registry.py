"""Names to objects, through entry points. Listing imports nothing; collisions and broken plugins are told.

The ``entrypoints`` package reads them; this file is the one door to it (docs/decisions/0006). It is given one file at a
time, so that a distribution with damaged metadata hurts no other.
"""

from __future__ import annotations

import configparser
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import entrypoints

from axkit.ground import fence
from axkit.ground.errors import PluginError, did_you_mean, shown

PASSES = "axkit.passes"
FAMILIES = "axkit.families"
TASKS = "axkit.tasks"
MODELS = "axkit.models"
RUNTIMES = "axkit.runtimes"
KINDS = "axkit.kinds"
METRICS = "axkit.metrics"
_WHAT = {
    PASSES: "pass",
    FAMILIES: "family",
    TASKS: "task",
    MODELS: "model",
    RUNTIMES: "runtime",
    KINDS: "kind",
    METRICS: "metric",
}


@dataclass(frozen=True)
class Entry:
    """One registered name: where it comes from, and how to load it.

    Attributes:
        group: of entry points.
        name: as registered.
        target: ``module:object``.
        distribution: ``name version``.
        rivals: other distributions that registered the same name.
        at_hand: the object itself, where nobody registered it (``at_hand``).
    """

    group: str
    name: str
    target: str
    distribution: str
    rivals: tuple[str, ...] = ()
    at_hand: Any = None

    @property
    def is_ours(self) -> bool:
        """True for what axkit itself brings: its bugs are ours, and keep their traceback."""
        return self.distribution.split(" ")[0] == "axkit"

    @property
    def who(self) -> str:
        """What and whose it is, for messages."""
        return fence.whose(_WHAT[self.group], self.name, self.distribution)

    def load(self) -> Any:
        """Import and return the object.

        Raises:
            PluginError: the name is registered twice, or its module fails to import.
        """
        if self.at_hand is not None:
            return self.at_hand
        what = _WHAT[self.group]
        if self.rivals:
            both = " and ".join((self.distribution, *self.rivals))
            raise PluginError(f"{what} '{self.name}' is registered by {both}; uninstall one of them")
        module, _, attribute = self.target.partition(":")
        with fence.answering(self.who, f"cannot be imported from {self.target}"):
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        return found

    def load_as(self, kind: type[Any], wanted: str) -> Any:
        """As ``load``, and the object is held against what the group is of.

        Args:
            kind: a class; the object is one of it, or a subclass where ``kind`` is a class to derive from.
            wanted: the same in words ("a subclass of axkit.Pass").

        Raises:
            PluginError: it is something else.
        """
        found = self.load()
        fits = isinstance(found, type) and issubclass(found, kind) if self.group == PASSES else isinstance(found, kind)
        if not fits:
            raise PluginError(
                f"{self.who} is {shown(repr(found))} at {self.target}, not {wanted}; mend that package's entry point"
            )
        return found


@dataclass(frozen=True)
class _Metadata:
    """The entry points of one distribution, or why they cannot be had."""

    distribution: str
    parser: configparser.ConfigParser | None
    fault: str = ""


@cache
def _installed() -> tuple[_Metadata, ...]:
    """Of every distribution on the path; the first of a name hides the others, as it does for imports."""
    found: dict[str, _Metadata] = {}
    for folder in sys.path:
        for one in _of_folder(folder):
            found.setdefault(one.distribution.split(" ")[0], one)
    return tuple(found.values())


def _of_folder(folder: str) -> Iterator[_Metadata]:
    here = Path(folder or ".")
    if not here.is_dir() or here.suffix == ".egg":
        if here.exists():  # an egg or a zip file
            for parser, distro in entrypoints.iter_files_distros([folder]):
                yield _Metadata(_named(distro), parser)
        return
    try:
        infos = sorted(one for one in here.iterdir() if one.suffix in (".dist-info", ".egg-info") and one.is_dir())
    except OSError:  # may not be listed: nothing can be imported from it either
        return
    for info in infos:
        path = info / "entry_points.txt"
        if os.path.lexists(path):
            yield _read(path, _named(entrypoints.Distribution.from_name_version(info.stem)))


def _read(path: Path, distribution: str) -> _Metadata:
    parser, raw = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None), b"axkit."
    try:
        raw = path.read_bytes()
        parser.read_string(raw.decode("utf-8"), str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        if b"axkit." not in raw:  # a stranger's, and none of our business
            return _Metadata(distribution, None)
        return _Metadata(
            distribution,
            None,
            f"what {shown(distribution)} registers is not known: {path} cannot be read ({fence.why(error)}); "
            f"reinstall or uninstall that package",
        )
    return _Metadata(distribution, parser)


def _named(distro: Any) -> str:
    return f"{distro.name} {distro.version}" if distro else "an unnamed distribution"


def entries(group: str) -> dict[str, Entry]:
    """All names of a group, sorted. Nothing is imported; what is damaged is left out (``faults``)."""
    found = _registered(group)
    own = {name: entry for (where, name), entry in _at_hand.items() if where == group}
    return dict(sorted({**found, **own}.items())) if own else found


@cache
def _registered(group: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for name, text, distribution in _points(group):
        point = _parsed(name, text)
        if point is None:
            continue
        entry = Entry(group, name, f"{point.module_name}:{point.object_name}", distribution)
        other = found.get(name)
        if other is None:
            found[name] = entry
        elif (other.target, other.distribution) != (entry.target, entry.distribution):
            found[name] = Entry(group, name, other.target, other.distribution, (*other.rivals, entry.distribution))
    return dict(sorted(found.items()))


def _points(group: str) -> Iterator[tuple[str, str, str]]:
    """(name, text, distribution) of every entry point of a group, damaged ones too."""
    for one in _installed():
        if one.parser is not None and one.parser.has_section(group):
            for name, text in one.parser.items(group):
                yield name, text, one.distribution


def _parsed(name: str, text: str) -> Any | None:
    """The entry point, or None where the text is none or the name cannot be shown."""
    try:
        point = entrypoints.EntryPoint.from_string(text, name)
    except entrypoints.BadEntryPoint:
        return None
    return point if point.object_name and name.isprintable() else None


def faults(group: str) -> list[str]:
    """A sentence for each distribution with damaged metadata, and for each entry point of the group that is none."""
    told = [one.fault for one in _installed() if one.fault]
    for name, text, distribution in _points(group):
        if _parsed(name, text) is None:
            told.append(
                f"{fence.whose(_WHAT[group], name, distribution)} is '{shown(text)}', which names no object as "
                f"'module:object'; mend or uninstall that package"
            )
    return told


def unknown(group: str, name: str) -> str:
    """The sentence for a name that nobody registered: the nearest one, and what is damaged."""
    damaged = "".join(f"; besides, {fault}" for fault in faults(group))
    return f"unknown {_WHAT[group]} '{shown(name)}'{did_you_mean(name, list(entries(group)))}{damaged}"


_at_hand: dict[tuple[str, str], Entry] = {}


@contextmanager
def at_hand(group: str, name: str, found: Any) -> Iterator[Entry]:
    """For the block, a name for an object that no distribution registers: a class that is being checked, say.

    It hides what is registered under that name.
    """
    key, before = (group, name), _at_hand.get((group, name))
    where = getattr(found, "__module__", type(found).__module__)
    target = f"{where}:{getattr(found, '__qualname__', type(found).__qualname__)}"
    _at_hand[key] = Entry(group, name, target, f"{where.partition('.')[0]} (not installed)", at_hand=found)
    try:
        yield _at_hand[key]
    finally:
        if before is None:
            del _at_hand[key]
        else:
            _at_hand[key] = before


def forget() -> None:
    """Look again at what is installed."""
    _installed.cache_clear()
    _registered.cache_clear()


def get(group: str, name: str) -> Any:
    """Load one object by its registered name.

    Raises:
        PluginError: no such name (the nearest one is suggested), a collision, or a failing import.
    """
    known = entries(group)
    if name not in known:
        raise PluginError(unknown(group, name))
    return known[name].load()
