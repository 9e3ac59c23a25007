"""Every error a caller can see. A message is one sentence: what is wrong, where, and the way out."""

from __future__ import annotations

import errno
from collections.abc import Sequence

LONGEST = 1000  # characters of a sentence


def shown(text: object, longest: int = 60) -> str:
    """Somebody's text as part of a sentence: on one line, its middle left out where it is long."""
    whole, tail = str(text), longest // 3
    if len(whole) > longest:  # twice: what is escaped grows
        whole = f"{whole[: longest - tail - 3]}...{whole[-tail:]}"
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)
    return line if len(line) <= longest else f"{line[: longest - tail - 3]}...{line[-tail:]}"


class AxkitError(Exception):
    """Something the user can mend; the command line prints it without a traceback and exits with 2.

    What a message quotes of a user's input may hold line breaks and be of any length: it stays one bearable line.
    """

    def __init__(self, *told: object) -> None:
        super().__init__(*(shown(one, LONGEST) if isinstance(one, str) else one for one in told))


class RecipeError(AxkitError):
    """The recipe asks for what cannot be done.

    Args:
        faults: one sentence each; all of them are told at once.
    """

    def __init__(self, faults: Sequence[str] | str) -> None:
        self.faults = tuple(shown(one, LONGEST) for one in ((faults,) if isinstance(faults, str) else faults))
        Exception.__init__(self, "\n".join(self.faults))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[str, ...]]]:
        """Another process gets the same faults."""
        return type(self), (self.faults,)


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


_STORAGE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
)


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

    name = name[:LONGEST]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are: {', '.join(sorted(known)) or 'none'}"
