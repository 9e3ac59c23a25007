"""Register our classes with transformers as soon as both are imported, whichever comes first.

``import axkit`` must not import transformers (``axkit passes`` answers at once), yet after it
``AutoModelForSequenceClassification.from_pretrained(folder)`` must know ``axkit_bert``: so we wait for the modules.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_WATCHED = frozenset(
    f"transformers.models.auto.{name}" for name in ("configuration_auto", "modeling_auto", "tokenization_auto")
)


class _Registering(Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        _Watch.loading += 1
        try:
            self._loader.exec_module(module)
        finally:
            _Watch.loading -= 1
        if not _Watch.loading:  # they import each other: the outermost is the last to finish
            _register()

    def __getattr__(self, name: str) -> Any:  # get_source and the like, for tracebacks
        return getattr(self._loader, name)


class _Watch(MetaPathFinder):
    loading = 0

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname not in _WATCHED or fullname in self._busy:
            return None
        self._busy.add(fullname)
        try:
            spec = find_spec(fullname)
        finally:
            self._busy.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


def _register() -> None:
    from axkit.runtimes.torch import classes

    _Watch.loading += 1  # what registering itself imports needs no second round
    try:
        classes.register()
    finally:
        _Watch.loading -= 1


def install() -> None:
    """Watch for transformers; act at once if it is imported already."""
    sys.meta_path.insert(0, _Watch())
    if any(name in sys.modules for name in _WATCHED):
        _register()
