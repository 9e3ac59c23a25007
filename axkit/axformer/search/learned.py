"""What a search has learned, on disk after each candidate: a killed one then goes on with the bits it would have had.

The journal has what was decided. What is learned of the rows says which of them run first and with which others, and
that moves the last bits of a loss.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from axkit.contract.tools import Tools
from axkit.ground.errors import storing
from axkit.ground.files import replacing


class Learned:
    """The last two moments of a search, in its stage's scratch folder, for each process by itself.

    Two, since one of several processes may have been killed a candidate before the others.

    Args:
        tools: lent by the engine; where there is no ``scratch``, nothing is kept.
    """

    def __init__(self, tools: Tools) -> None:
        self._folder, self._processes, self._progress = tools.scratch, tools.processes, tools.progress

    def write(self, judged: int, learned: Mapping[str, Any]) -> None:
        """Keep what is known after so many candidates.

        Raises:
            StorageError: the disk is full or not writable.
        """
        if self._folder is None:
            return
        with storing(self._folder), replacing(self._path(judged)) as partial, partial.open("wb") as file:
            np.savez(file, judged=np.array(judged), **learned)

    def read(self, journaled: int) -> tuple[int, dict[str, Any]]:
        """(candidates that are known wholly, what was known after the last of them), the same count in each process.

        Args:
            journaled: candidates in the journal.
        """
        if self._folder is None or not journaled:
            return journaled, {}
        found = {int(one["judged"]): one for one in map(_read, (self._path(0), self._path(1))) if one}
        common = -self._processes.largest(-max(found, default=0))
        if not self._processes.largest(int(common > journaled or common not in found)):
            return common, found[common]
        self._progress.say("   What this search had learned of its rows is damaged or missing; it starts anew")
        return 0, {}

    def _path(self, judged: int) -> Path:
        assert self._folder is not None
        return self._folder / f"search-{self._processes.rank}-{judged % 2}.npz"


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is none, or a damaged one; each array has a checksum."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return {}
