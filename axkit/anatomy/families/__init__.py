"""The architectures that axkit knows, one TOML file each; ``families.bert`` reads ``bert.toml``."""

from __future__ import annotations

from pathlib import Path

from axkit.anatomy.family import Family


def __getattr__(name: str) -> Family:
    path = Path(__file__).with_name(f"{name}.toml")
    if not path.is_file():
        raise AttributeError(name)
    return Family.from_toml(path)
