"""Where axkit keeps between runs what can be had again: models, data, hashes, times. Imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

PLACE = "AXKIT_CACHE"  # the folder, where somebody wants another


def cache_folder() -> Path:
    """``AXKIT_CACHE``, else ``axkit`` in the user's cache folder; made by whoever writes into it."""
    if os.environ.get(PLACE):
        return Path(os.environ[PLACE])
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "axkit"
    except RuntimeError:  # a user without a home
        return Path(os.devnull) / "axkit"
