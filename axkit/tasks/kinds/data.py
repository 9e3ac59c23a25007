"""The data half of a kind of task: what its rows and its label column mean. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from axkit.tasks.kinds.kind import half_of
from axkit.tasks.kinds.look import Look
from axkit.tasks.kinds.luck import Luck
from axkit.tasks.labels.columns import LabelColumn
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import Naming, agree
from axkit.tasks.labels.texts import texts_of
from axkit.tasks.source.origin import Source, one_line
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, Task, TaskSpec

WIDTH = 60  # characters of a text that is shown
_MOST = 20  # labels that are counted one by one


class Shown(ABC):
    """How rows are shown before anything is trained (``axkit plan``), in a few words each."""

    def text(self, text: Sequence[Any]) -> str:
        """The texts of a row."""
        return " | ".join(f"'{shortened(part)}'" for part in text)

    @abstractmethod
    def label(self, split: SplitRows, label: Any) -> str:
        """A label, by name."""

    @abstractmethod
    def counted(self, split: SplitRows) -> str:
        """How often each label stands in a split, or the range of its scores."""


class KindRows(ABC):
    """The data half of a kind of task; stateless, and without torch.

    Attributes:
        label_type: of the labels in an array; None where they are Python objects.
        stratified: labels are classes, which are held out alike.
        lists: a text is a list in itself.
        luck: what can be answered without looking.
        shown: how rows are shown.
        look: how answers are looked at in a report; by default without knowing what is right.
    """

    label_type: ClassVar[type | None] = None
    stratified: ClassVar[bool] = False
    lists: ClassVar[bool] = False
    luck: ClassVar[Luck]
    shown: ClassVar[Shown]
    look: ClassVar[Look] = Look()

    @abstractmethod
    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """What reads the label column, or columns, of a task."""

    @abstractmethod
    def outputs(self, label_names: tuple[str, ...]) -> int:
        """The number of outputs the head has."""

    def texts(self, spec: TaskSpec, row: Row, where: str) -> tuple[Any, ...]:
        """What a row holds besides its label; a ``where`` names it in messages.

        Raises:
            DataError: a row without.
        """
        return texts_of(spec, row, where)

    def unlabelled(self, text: tuple[Any, ...], names: tuple[str, ...]) -> Any:
        """What stands in ``SplitRows.labels`` of a row that has no label, until a model has answered it.

        Args:
            text: what ``texts`` made of the row.
            names: of the model's outputs.
        """
        return 0

    def alike(self, text: tuple[Any, ...], where: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(what two rows share that are doubles, what two rows share that must stay in one split), to be hashed."""
        return text, text

    def check(self, task: Task, train_labels: Any) -> None:  # noqa: B027 - most kinds learn from whatever there is
        """Refuse a train split from which nothing can be learned.

        Raises:
            DataError: says what it lacks.
        """

    def naming(
        self,
        task: Task,
        found: Collection[str],
        head: Head | None,
        read_off: Callable[[], tuple[str, ...]],
        own: Sequence[str] | None = None,
    ) -> Naming:
        """Names and order of a task's labels (see ``agree``); by default by name.

        Raises:
            DataError: they do not fit the head, or are no names for this kind.
        """
        return agree(task, found, head, read_off, own)

    def nested(self, source: Source, value: Any, line: int | None = None) -> Iterable[Mapping[str, Any]] | None:
        """The rows within a JSON value, where the field writes them nested; None where it holds no such rows."""
        return None


def rows_of(kind: str) -> KindRows:
    """The data half of a kind, by name."""
    return half_of(kind, "rows", KindRows)  # type: ignore[type-abstract]


def shortened(text: str, width: int = WIDTH) -> str:
    """A text on one line, without characters that a terminal would obey."""
    return one_line(text, width)


def counted(counts: Iterable[tuple[str, int]]) -> str:
    """Labels and how often each stands there, no more than fit in."""
    found = list(counts)
    told = ", ".join(f"{shortened(name)}: {count}" for name, count in found[:_MOST])
    return told + (f", and {len(found) - _MOST} more labels" if len(found) > _MOST else "")
