"""Fields of settings, in the Python reference: what ``Field(description=...)`` says stands under Attributes there.

mkdocs.yml names it under ``extensions`` of mkdocstrings, which reads docstrings and knows nothing of pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from griffe import Class, Docstring, Extension

from axkit.cli.listing import fields_of


class Fields(Extension):
    """Adds to the docstring of each pydantic model its described fields; types are read off the annotations."""

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """What griffe calls, once for each class, when all are read."""
        if not _is_model(cls):
            return
        rows = fields_of(getattr(import_module(cls.module.path), cls.name))
        told = [f"    {name}: {_described(*row)}" for name, _kind, *row in rows if row[-1]]
        if told:
            text = cls.docstring.value if cls.docstring else ""
            cls.docstring = Docstring("\n".join([text, "", "Attributes:", *told]), parent=cls, parser="google")


def _is_model(cls: Class) -> bool:
    bases = [base for one in (cls, *cls.mro()) for base in one.bases]
    return any(getattr(base, "canonical_path", "") == "pydantic.BaseModel" for base in bases)


def _described(default: str, limits: str, told: str) -> str:
    told += f" {limits}." if limits else ""
    return told if default == "required" else f"{told} {'None' if default == 'null' else f'`{default}`'} unless given."
