"""What the cells of a label column say: decided once for the column, by all that it holds. Imports no torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.labels.naming import apart_when_folded, fold
from axkit.tasks.source.origin import brief, some_of

_FRACTION = re.compile(r"-?[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0*)?")  # 3, -1, 4.0; 007 is a name
_ITEM = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|-?\d++(?:\.\d*+)?|True|False|true|false|None|null|nan|\.\.\.)"""
_LIST = re.compile(
    rf"\s*+(?:array\()?[\[(]\s*+(?:{_ITEM}(?:\s*+,\s*+|\s++|(?=[\])])))*+[\])](?:,\s*+dtype=\w++\))?\s*+", re.DOTALL
)
_NESTED = re.compile(r"\s*+\[\s*+[\[{].*\]\s*+", re.DOTALL)
_OBJECT = re.compile(r"\s*+\{\s*+['\"].*\}\s*+", re.DOTALL)
MOST = 10_000  # labels that a column may have, unless the task names them
_BEYOND = 10**18
_SHOWN = 20


def kind_of_text(text: str) -> str:
    """What a text is the text of, in words: a list or an object, as Python, NumPy and JSON print them; else ""."""
    start = text.lstrip()[:6]
    if start.startswith(("[", "(", "array(")) and (_LIST.fullmatch(text) or _NESTED.fullmatch(text)):
        return "a list"
    return "an object" if start.startswith("{") and _OBJECT.fullmatch(text) else ""


def whole_number(text: str) -> str | None:
    """The whole number that a text writes, as text: 3 of "3" and of "3.0"; None for anything else."""
    found = _WHOLE.fullmatch(text)
    if found is None:
        return None
    return "0" if found[1] == "-0" else found[1]


def cell_text(value: Any, where: str) -> str:
    """A label as text, without spaces around it; a number of whole value as such, true and false as Python writes them.

    Raises:
        DataError: no value, or a list, an object or anything else that is no label.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, float) and value != value):
        raise DataError(f"{where}: label {value!r} is no label; fill it in or drop the row")
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        if not -_BEYOND < value < _BEYOND:
            raise DataError(f"{where}: label {brief(value)} is a number beyond all labels; mend the row")
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, str):
        bare = value.strip()
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in bare):
            raise DataError(f"{where}: label {brief(value)} holds control characters; mend or drop the row")
        what = kind_of_text(bare)
        if what:
            raise DataError(f"{where}: label {brief(value)} is the text of {what}; write JSONL, or a name")
        return bare
    name = type(value).__name__
    what = {"list": "a list", "dict": "an object", "tuple": "a list"}.get(name, name)
    raise DataError(
        f"{where}: label {brief(value)} is {what}; write a name or a number, or take a kind of task that has several"
    )


def folded(name: str) -> str:
    """A name without what hardly tells names apart: case, spaces, the ways to write one character."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass
class Survey:
    """The labels of a column.

    Attributes:
        rows: label as text -> words for the first row that has it.
        spelled: label -> as it stands there, with spaces around it.
        widths: of lists, how many labels they have.
        doubled: a list has some label twice.
        alike: words for two labels that differ in spaces only, or "".
    """

    rows: dict[str, str] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    widths: set[int] = field(default_factory=set)
    doubled: bool = False
    alike: str = ""

    def add(self, values: Sequence[Any], where: str) -> None:
        """Note the labels of a row.

        Raises:
            DataError: one that is no label.
        """
        texts = [cell_text(value, where) for value in values]
        for text, value in zip(texts, values, strict=True):
            self.rows.setdefault(text, where)
            if isinstance(value, str) and self.spelled.setdefault(text, value) != value and not self.alike:
                self.alike = (
                    f"{where}: label {brief(value)} differs from {brief(self.spelled[text])} ({self.rows[text]})"
                )
        self.doubled |= len(set(texts)) < len(texts)
        self.widths.add(len(texts))

    @property
    def are_numbers(self) -> bool:
        """True where every label is a whole number, or the text of one."""
        return all(whole_number(text) is not None for text in self.rows)

    @property
    def are_bits(self) -> bool:
        """True where every label is 0 or 1, or every one is true or false."""
        return {whole_number(text) for text in self.rows} <= {"0", "1"} or set(self.rows) <= {"True", "False"}


_ALIKE = "{} in case or spaces only; write them alike, or name both in 'label_names'"


def read_off(survey: Survey) -> tuple[str, ...]:
    """The names of a column's labels: its texts, sorted; whole numbers by value.

    Raises:
        DataError: names that differ in case or spaces only; numbers with gaps, negative ones, fractions; too many.
    """
    if len(survey.rows) > MOST:
        raise DataError(f"there are more than {MOST} labels in train; is it the label? Else name them in 'label_names'")
    if survey.rows and survey.are_numbers:
        return _numbers(survey)
    if survey.rows and all(whole_number(text) or _FRACTION.fullmatch(text) for text in survey.rows):
        text, where = next(one for one in survey.rows.items() if not whole_number(one[0]))
        raise DataError(
            f"{where}: label {text} is no whole number; scores are of kind 'regression', and numbers that are labels "
            f"stand in 'label_names'"
        )
    alike: dict[str, str] = {}
    for text, where in survey.rows.items():
        other = alike.setdefault(folded(text), text)
        if other != text:
            raise DataError(
                _ALIKE.format(f"{where}: label {brief(text)} differs from {brief(other)} ({survey.rows[other]})")
            )
    if survey.alike:
        raise DataError(_ALIKE.format(survey.alike))
    return tuple(sorted({whole_number(text) or text for text in survey.rows}))


def _numbers(survey: Survey) -> tuple[str, ...]:
    first = {int(whole_number(text) or 0): where for text, where in survey.rows.items()}
    low, high = min(first), max(first)
    if low < 0:
        top = f"0..{max(high, 0)}"
        raise DataError(
            f"{first[low]}: label {low} is outside {top}; drop the row, or name the labels in 'label_names', where a "
            f"number is the label of that name"
        )
    missing = next((number for number in range(low, high) if number not in first), None)
    if missing is not None or low > 1:
        some = ", ".join(map(str, sorted(first)[:_SHOWN])) + (", ..." if len(first) > _SHOWN else "")
        gap = f"no row has {missing}" if missing is not None else f"they begin at {low}"
        raise DataError(
            f"the labels of train are the numbers {some}, and {gap}; name them all in 'label_names', where a number is "
            f"the label of that name"
        )
    return tuple(str(number) for number in range(low, high + 1))


class Classes:
    """From a label to its class.

    A label is the class of that name; a number also that of a name which writes the same number. Where the task names
    the labels and no name is a number, a column of numbers (or of true and false, for two labels) holds positions.

    Args:
        names: of classes 0, 1, ...
        said: the task names them.
        survey: of the column, for whether it holds positions.
        loosely: a cell may spell a name otherwise, as far as ``naming.fold`` goes.
    """

    def __init__(self, names: Sequence[str], said: bool, survey: Survey, loosely: bool = False) -> None:
        self.names = tuple(names)
        self.index = {whole_number(name.strip()) or name.strip(): place for place, name in enumerate(names)}
        self.index |= {name: place for place, name in enumerate(names)}
        worded = said and not any(whole_number(name.strip()) is not None for name in names)
        self.positions = worded and survey.are_numbers
        flags = worded and len(names) == 2 and set(survey.rows) <= {"True", "False"}
        if flags and not set(survey.rows) & set(self.index):
            self.index |= {"False": 0, "True": 1}
        self.alike = apart_when_folded(self.names) if loosely else {}
        self.known: dict[Any, int] = {}

    def of(self, value: Any, where: str) -> int:
        """The class of a label.

        Raises:
            DataError: no class has its name.
        """
        key = (type(value), value)
        try:
            return self.known[key]
        except (KeyError, TypeError):  # new, or no label at all
            found = self._found(value, where)
        self.known[key] = found
        return found

    def _found(self, value: Any, where: str) -> int:
        if isinstance(value, str) and value in self.index:
            return self.index[value]
        text = cell_text(value, where)
        number = whole_number(text)
        place = self.index.get(text, self.index.get(number or "", self.alike.get(fold(text), -1)))
        if place >= 0:
            return place
        if number is not None and self.positions and 0 <= int(number) < len(self.names):
            return int(number)
        raise DataError(f"{where}: {self._unknown(text, number)}")

    def _unknown(self, text: str, number: str | None) -> str:
        shown = some_of(self.names, _SHOWN)
        if number is not None and (self.positions or self.names == tuple(map(str, range(len(self.names))))):
            return (
                f"label {brief(text)[1:-1]} is outside 0..{len(self.names) - 1} ({len(self.names)} labels in train); "
                f"mend the row or 'label_names'"
            )
        near = next((name for name in self.names if folded(name) == folded(text)), None)
        if near is not None:
            return f"label {brief(text)} differs from '{near}' in case or spaces only; write them alike"
        if number is not None:
            return (
                f"label {number} is none of {shown}; a column holds names, or numbers alone for the positions of "
                f"'label_names' that are words: mend the row or 'label_names'"
            )
        return f"label {brief(text)} is none of {shown}; mend the row or 'label_names'"
