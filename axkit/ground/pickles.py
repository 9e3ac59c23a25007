"""Files that could run code when they are opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its name or its first bytes; PyTorch's are zip files with one in it."""
    with path.open("rb") as file:
        head = file.read(2)
    if path.suffix in _PICKLES or head in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith((".pkl", ".pickle")) for name in file.namelist())
