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

_WATCHED = {
    "transformers.models.auto.configuration_auto": "register_configs",
    "transformers.models.auto.modeling_auto": "register_models",
    "transformers.models.auto.tokenization_auto": "register_tokenizers",
}


class _Registering(Loader):
    def __init__(self, loader: Any, action: str) -> None:
        self._loader, self._action = loader, action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _act(self._action)

    def __getattr__(self, name: str) -> Any:  # get_source and the like, for tracebacks
        return getattr(self._loader, name)


class _Watch(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname not in _WATCHED or fullname in self._busy:
            return None
        self._busy.add(fullname)
        try:
            spec = find_spec(fullname)
        finally:
            self._busy.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader, _WATCHED[fullname])
        return spec

    def __init__(self) -> None:
        self._busy: set[str] = set()


def _act(action: str) -> None:
    from axkit.saving import classes

    getattr(classes, action)()


def install() -> None:
    """Watch for transformers; act at once for what is imported already."""
    sys.meta_path.insert(0, _Watch())
    for name, action in _WATCHED.items():
        if name in sys.modules:
            _act(action)
