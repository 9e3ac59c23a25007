"""Every error a caller can see. A message is one sentence: what is wrong, where, and the way out."""

from __future__ import annotations

import errno
from collections.abc import Sequence


class AxkitError(Exception):
    """Something the user can mend; the command line prints it without a traceback and exits with 2."""


class RecipeError(AxkitError):
    """The recipe asks for what cannot be done.

    Args:
        faults: one sentence each; all of them are told at once.
    """

    def __init__(self, faults: Sequence[str] | str) -> None:
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class NotApplicable(AxkitError):
    """A pass cannot serve this family, task or model; raised by ``Pass.check``."""


class PluginError(AxkitError):
    """A plugin is missing, collides with another, or fails to import."""


class DataError(AxkitError):
    """Rows, columns or labels are not what the task declares."""


class CheckpointError(AxkitError):
    """A model folder that cannot be loaded, or is not safe to load."""


class StorageError(AxkitError):
    """The disk refused a write; what was finished before it stays."""


_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOTDIR)


def as_storage_error(error: OSError, where: object) -> StorageError | None:
    """The sentence for a disk that refuses a write; None for any other operating-system error."""
    if error.errno not in _STORAGE:
        return None
    return StorageError(
        f"cannot write {where} ({error.strerror}); free space or choose another --out. Finished stages are kept"
    )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return ``'; did you mean 'x'?'`` or a list of what exists, to end a sentence with."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are: {', '.join(sorted(known)) or 'none'}"
