"""A folder for transformers that holds only what axkit has checked: its config without code, and links to the files.

Whatever else lies in a checkpoint (adapters, other shards, generation settings, code) is not there to be found.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axkit.ground.errors import AxkitError, CheckpointError, StorageError


@contextmanager
def view(folder: Path, names: Iterable[str], made_up: Mapping[str, Any]) -> Iterator[Path]:
    """A temporary folder.

    Args:
        folder: of the checkpoint.
        names: of its files, of which there are links to those that are there.
        made_up: name -> JSON of the files that are written as axkit understands them.

    Raises:
        StorageError: there is no place for it.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="axkit-")
    except OSError as error:
        raise StorageError(f"there is no temporary folder to be had ({error.strerror or error}); set TMPDIR") from error
    with made as name:
        here = Path(name)
        try:
            for wanted, content in made_up.items():
                (here / wanted).write_text(json.dumps(content), encoding="utf-8")
            for wanted in names:
                if os.path.lexists(folder / wanted):
                    (here / wanted).symlink_to((folder / wanted).resolve())
        except OSError as error:
            raise StorageError(
                f"the temporary folder {here} cannot be written ({error.strerror}); set TMPDIR"
            ) from error
        yield here


@contextmanager
def fence(folder: Path, what: str, way_out: str) -> Iterator[None]:
    """Around foreign code that reads a checkpoint: whatever it raises becomes one sentence.

    Args:
        folder: of the checkpoint.
        what: what it does, as in "holds no tokenizer that loads".
        way_out: what mends it.

    Raises:
        CheckpointError: the block raised something that is no AxkitError.
    """
    try:
        yield
    except AxkitError:
        raise
    except ImportError as error:
        raise CheckpointError(
            f"{folder} needs a package that is not installed ({_first(error)}); install it"
        ) from error
    except Exception as error:
        raise CheckpointError(f"{folder} {what} ({type(error).__name__}: {_first(error)}); {way_out}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust code, tokenizers' say; it is no Exception
            raise
        raise CheckpointError(f"{folder} {what} ({_first(error)}); {way_out}") from error


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0]:.200}" if lines else "no message"
