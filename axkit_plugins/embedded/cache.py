"""Where the embedded models and data are kept between runs: AXKIT_CACHE, or ~/.cache/axkit."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """The folder; made by whoever writes into it."""
    chosen = os.environ.get("AXKIT_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "axkit"


@contextmanager
def write_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``target`` when the block ends well; two processes may race."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield partial
        try:
            partial.rename(target)
        except OSError:  # another process was first; its folder holds the same
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
