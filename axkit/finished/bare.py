"""Run by itself, as a script: a script of a folder, where neither axkit nor PyTorch can be imported.

``python -P bare.py SCRIPT ARGUMENT...``: what SCRIPT prints is what it says.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

_ABSENT = ("axkit", "axkit_plugins", "torch", "transformers", "datasets", "onnx")


class Absent:
    """Finds none of these: an import of one fails, as where it is not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """None: others may find it."""
        if name.partition(".")[0] in _ABSENT:
            raise ModuleNotFoundError(f"{name} is not to be had here", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
