"""A file that is to be read, and the words for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.spec import SplitName, TaskSpec


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes:
        split: for messages.
        path: of the file.
        spec: which columns are wanted, and the settings that say how the file is written.
    """

    split: SplitName
    path: Path
    spec: TaskSpec

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the task reads, each once."""
        spec = self.spec
        return tuple(dict.fromkeys((*spec.columns, *spec.label_columns, *((spec.id,) if spec.id else ()))))

    @property
    def suffix(self) -> str:
        """Of the file, in lower case."""
        return self.path.suffix.lower()

    @property
    def header(self) -> list[str] | None:
        """Names of the columns, where the task gives them."""
        return self.spec.header if isinstance(self.spec.header, list) else None

    @property
    def sep(self) -> str | None:
        """What parts the columns, where the task says; a tab may be written as backslash and t."""
        return "\t" if self.spec.sep == "\\t" else self.spec.sep

    def fault(self, what: str, line: int | None = None, row: int | None = None, column: str | None = None) -> DataError:
        """The sentence for something at a place of the file."""
        places = [f"{self.split} file {self.path}"]
        places += [f"{name} {number}" for name, number in (("line", line), ("row", row)) if number is not None]
        places += [f"column '{column}'"] if column is not None else []
        return DataError(f"{', '.join(places)}: {what}")

    def no_column(self, found: Iterable[str], hint: str = "", line: int | None = None) -> DataError:
        """The sentence for a column that the file lacks."""
        there = list(found)
        missing = next(column for column in self.columns if column not in there)
        near = next((name for name in there if name.strip().casefold() == missing.strip().casefold()), None)
        if near is not None:
            hint = f"; did you mean '{one_line(near)}'?"
        hint = hint or "; mend the task's columns, or the file"
        return self.fault(f"no column '{missing}'; the columns are {some_of(there)}{hint}", line)


def some_of(names: Sequence[Any], most: int = 20) -> str:
    """Names for a message: on one line, and not too many."""
    told = ", ".join(one_line(str(name)) for name in names[:most]) or "none"
    return told + (f" and {len(names) - most} more" if len(names) > most else "")


def one_line(text: str, size: int = 40) -> str:
    """A text, shortened, without characters that end a line or that a terminal would obey."""
    cut = text if len(text) <= size else f"{text[: size - 3]}..."
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


def brief(value: Any, size: int = 60) -> str:
    """A value for a message: on one line, and not too long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; a deep list
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= size else f"{text[: size - 3]}..."
