"""Families that say in their files that something cannot be done: a file of ours with ``[limits]`` of one's own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from axkit.anatomy import families
from axkit.anatomy.family import Family

REASONS = {
    "heads": "its heads share their keys",
    "neurons": "its neurons are one block",
    "first_token_only": "its core needs every query",
}
LIMITS = [("heads",), ("neurons",), ("first_token_only",), ("heads", "neurons", "first_token_only")]


def limited(name: str, *abilities: str) -> Family:
    """The family of one of our files, with limits; they take the place of those that it has."""
    text = Path(families.__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[limits]\n")
    lines = "".join(f'{ability} = "{REASONS[ability]}"\n' for ability in abilities)
    left = "\n".join(line for line in rest.splitlines() if line.split(" = ")[0] not in abilities)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(f"{head}\n[limits]\n{lines}{left}", encoding="utf-8")
        return Family.from_toml(path)
