"""What a stage starts from: one model, which nobody holds longer than it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from axkit.contract.reader import Reader
from axkit.contract.subject import Subject


class Start:
    """A subject that is let go as soon as a pass has its own copy, and had again where the stage is undone.

    Args:
        subject: of which the caller keeps no other name.
        load: gives it again, as the stage before left it on disk; None where there is no such stage.

    Attributes:
        reader: of it.
        family: of it.
    """

    def __init__(self, subject: Subject, load: Callable[[], Subject] | None) -> None:
        self._subject: Subject | None = subject
        self._load = load
        self.reader: Reader = subject.reader
        self.family = subject.family

    @contextmanager
    def lent(self) -> Iterator[Subject]:
        """It, to look at."""
        assert self._subject is not None, "not let go yet"
        yield self._subject

    def copied(self, undoes: bool) -> Subject:
        """A copy to work on; it itself goes, unless it has to be there again and cannot be loaded.

        Args:
            undoes: whether the stage may be undone.
        """
        assert self._subject is not None, "copied once"
        copy = self._subject.copy()
        if self._load is not None or not undoes:
            self._subject = None
        return copy

    def again(self) -> Subject:
        """It, with its own reader."""
        if self._subject is not None:
            return self._subject
        assert self._load is not None, "else it is kept"
        subject = self._load()
        subject.reader = self.reader
        return subject
