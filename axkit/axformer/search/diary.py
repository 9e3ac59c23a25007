"""What a search has decided and learned, written down after each candidate; a killed one goes on from there."""

from __future__ import annotations

from typing import Any

from axkit.axformer.search.learned import Learned
from axkit.axformer.search.lines import Judged
from axkit.contract.tools import Tools


def open_diary(tools: Tools) -> Diary:
    """Read what an interrupted run of the same stage left, the same in each process."""
    lines = tools.journal.read()
    tools.processes.wait()  # nobody writes before all have read
    learned = Learned(tools)
    known, found = learned.read(len(lines))
    if known < len(lines) and tools.processes.is_main:
        tools.journal.keep(known)
    return Diary(tools, learned, [Judged.from_json(line) for line in lines[:known]], found)


class Diary:
    """The journal of a search, and what it had learned when it was last interrupted.

    Args:
        tools: lent by the engine.
        learned: where that is kept.
        lines: of an interrupted run.
        found: what that had learned after the last of them; empty where nothing is kept.

    Attributes:
        looks: candidates that were judged so far, those of an interrupted run once they come again.
    """

    def __init__(self, tools: Tools, learned: Learned, lines: list[Judged], found: dict[str, Any]) -> None:
        self._journal, self._writes = tools.journal, tools.processes.is_main
        self._learned, self._found = learned, found
        self._known = {line.element: line for line in lines}
        self.looks = 0

    def known(self, element: str) -> Judged | None:
        """What an interrupted run made of a candidate."""
        return self._known.get(element)

    @property
    def replaying(self) -> bool:
        """Whether what was learned will be recalled later, with the bits that it had."""
        return bool(self._found)

    def recall(self) -> dict[str, Any]:
        """What an interrupted run had learned, once: where the search begins to look for itself."""
        found, self._found = self._found, {}
        return found

    def write(self, line: Judged, learned: dict[str, Any]) -> None:
        """A candidate that was judged just now, and what is known after it.

        Raises:
            StorageError: the disk is full or not writable.
        """
        if self._writes:
            self._journal.write(**line.to_json())
        self._learned.write(self.looks, learned)
