"""Where the embedded models and data are kept between runs: AXKIT_CACHE, or ~/.cache/axkit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axkit.kit import cache_folder as cache_folder


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
