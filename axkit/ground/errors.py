"""Every error a caller can see. A message is one sentence: what is wrong, where, and the way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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


class DeviceError(AxkitError):
    """A device that is not there, or whose memory is full."""


class MemoryFullError(DeviceError):
    """What was asked takes more memory than there is; something smaller may fit."""


class StorageError(AxkitError):
    """The disk refused a write; what was finished before it stays."""


class Interrupted(AxkitError):
    """A person or the system stopped a command; what was finished stays.

    Args:
        said: what stays, and how to go on.
        code: of the process: 128 and the signal's number.
    """

    def __init__(self, said: str, code: int = 130) -> None:
        self.code = code
        super().__init__(said)


_STORAGE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, errno.EEXIST,
)  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # whatever is refused so was being written


def as_storage_error(error: OSError, where: object) -> StorageError | None:
    """The sentence for a disk that refuses a write; None for any other operating-system error."""
    if error.errno not in _STORAGE:
        return None
    return StorageError(
        f"cannot write {where} ({error.strerror}); free space or choose another --out. Finished stages are kept"
    )


def full_disk(error: BaseException) -> OSError | None:
    """What the system said of a full disk, where that is behind an error; None where it is another.

    Libraries wrap it in errors of their own: safetensors and tokenizers in a text, datasets as the cause.
    """
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        if isinstance(one, OSError) and one.errno in _FULL:
            return one
        for code in _FULL if isinstance(one, Exception) else ():
            if f"os error {code})" in str(one) or os.strerror(code) in str(one):
                return OSError(code, os.strerror(code))
        one = one.__cause__ or one.__context__
    return None


@contextmanager
def storing(where: object, full_only: bool = False) -> Iterator[None]:
    """Turn a disk that refuses a write into a sentence that names ``where``.

    Args:
        where: what is written.
        full_only: leave alone what may as well have been refused to a reader, or be a bug.

    Raises:
        StorageError: the disk is full or not writable.
    """
    try:
        yield
    except AxkitError:
        raise
    except Exception as error:  # libraries wrap the system's word; any other error goes on as it is
        refused = isinstance(error, OSError) and error.errno in _STORAGE and not full_only
        said = error if isinstance(error, OSError) and refused else full_disk(error)
        told = as_storage_error(said, where) if said is not None else None
        if told is None:
            raise
        raise told from error


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return ``'; did you mean 'x'?'`` or a list of what exists, to end a sentence with."""
    import difflib

    name = name[:LONGEST]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are: {', '.join(sorted(known)) or 'none'}"
