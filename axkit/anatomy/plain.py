"""How a module that axkit or a pass puts into a model is made again where axkit is not: by transformers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Plain:
    """A module's twin in the modeling file of a folder.

    Attributes:
        name: of the twin's class. It is called with the module whose place it takes, and the settings; its weights and
            buffers have the names of the original's.
        settings: of it; plain JSON.
        source: dotted name of the Python module that defines the class, whose text goes into the folder: it imports
            torch and the standard library alone. Empty for those that the modeling file always has.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@runtime_checkable
class HasPlain(Protocol):
    """A module that says its twin."""

    def plain(self) -> Plain: ...
