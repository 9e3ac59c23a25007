"""A file that is to be read, and the words for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.errors import DataError, did_you_mean
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
        names = ", ".join(there[:30]) + (f" and {len(there) - 30} more" if len(there) > 30 else "")
        if not hint:
            near = did_you_mean(missing, there)
            hint = near if "did you mean" in near else "; mend the task's columns, or the file"
        return self.fault(f"no column '{missing}'; the columns are {names or 'none'}{hint}", line)


def brief(value: Any, size: int = 60) -> str:
    """A value for a message: on one line, and not too long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; a deep list
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= size else f"{text[: size - 3]}..."
