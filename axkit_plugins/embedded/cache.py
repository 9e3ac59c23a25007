"""Where the embedded models and data are kept between runs: AXKIT_CACHE, or ~/.cache/axkit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axkit import StorageError
from axkit.kit import cache_folder as cache_folder


@contextmanager
def write_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``target`` when the block ends well; two processes may race.

    Raises:
        StorageError: there can be no such folder; a container's home is often not to be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise StorageError(
            f"cannot write {target.parent}, where embedded models and data are kept ({error.strerror}); set "
            f"AXKIT_CACHE to a folder that can be written"
        ) from error
    try:
        yield partial
        try:
            partial.rename(target)
        except OSError:  # another process was first; its folder holds the same
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
