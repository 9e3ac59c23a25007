"""Token classification without torch: a row is words, and a label a tag for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import KindRows, Shown, counted, shortened
from axkit.tasks.kinds.luck import Constant, Luck, objects
from axkit.tasks.kinds.token_classification.look import TagLook
from axkit.tasks.labels.classes import kind_of_text
from axkit.tasks.labels.columns import LabelColumn, listed
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import Naming
from axkit.tasks.labels.texts import is_unicode
from axkit.tasks.source.origin import brief
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, Task, TaskSpec

_FEW = 20  # rows, of which one-word sentences may be all
_ENTITY = ("B-", "I-", "E-", "S-")


class Tags(LabelColumn):
    """A tag for each word: a list, or a text that is parted at spaces."""

    @classmethod
    def pieces(cls, spec: TaskSpec, value: Any, where: str) -> Sequence[Any]:
        """The tags; none where the cell is no list, which ``label`` tells beside the words."""
        if isinstance(value, str) and kind_of_text(value):
            what = kind_of_text(value)
            raise DataError(f"{where}: '{spec.label}' is {brief(value)}, the text of {what}; write JSONL")
        tags = listed(value) or ()
        for tag in tags:
            if isinstance(tag, list | tuple | dict):
                raise DataError(
                    f"{where}: '{spec.label}' holds {brief(tag)}, which is no tag; give words, and a tag for each "
                    f"instead of spans"
                )
        return tags

    def label(self, row: Row, where: str, text: Any) -> tuple[str, ...]:
        """The tags of the row's words."""
        tags = self.pieces(self.spec, self.value(row), where)
        if len(tags) != len(text):
            raise DataError(
                f"{where}: {len(text)} words have {len(tags)} tags ('{self.spec.label}'); give each word one"
            )
        return tuple(self.meaning.naming.read[self.classes.of(tag, where)] for tag in tags)


class TagLuck(Luck):
    """Of tags."""

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """The most frequent tag of train, for every word."""
        (most, _), *_ = Counter(tag for tags in train_labels for tag in tags).most_common(1)
        return objects([(most,) * len(gold) for gold in golds])

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """Each tag, for every word."""
        tags = sorted({tag for gold in golds for tag in gold})
        return [Constant(_for_every_word(tag), objects([(tag,) * len(gold) for gold in golds])) for tag in tags]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one tag of all words of all rows."""
        tags = {tag for row in predictions for tag in row}
        return _for_every_word(tags.pop()) if len(tags) == 1 and len(predictions) > 1 else ""


def _for_every_word(tag: str) -> str:
    return f"'{tag}' for every word"


class ShownTags(Shown):
    """Words, and their tags."""

    def text(self, text: Sequence[Any]) -> str:
        """The words."""
        return f"[{shortened(', '.join(text))}]"

    def label(self, split: SplitRows, label: Any) -> str:
        """The tags."""
        return f"[{shortened(', '.join(label))}]"

    def counted(self, split: SplitRows) -> str:
        """How often each tag stands there."""
        counts = Counter(tag for tags in split.labels for tag in tags)
        return counted((name, counts[name]) for name in split.label_names)


class WordRows(KindRows):
    """Words, and a tag for each."""

    lists = True
    luck = TagLuck()
    shown = ShownTags()
    look = TagLook()

    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """Tags in each cell."""
        return Tags

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """One per tag."""
        return len(label_names)

    def texts(self, spec: TaskSpec, row: Row, where: str) -> tuple[Any, ...]:
        """The words."""
        return words_of(spec, row, where)

    def unlabelled(self, text: tuple[Any, ...], names: tuple[str, ...]) -> tuple[str, ...]:
        """Some tag for each word."""
        return (names[0],) * len(text)

    def check(self, task: Task, train_labels: Any) -> None:
        """Sentences that are not all of one word."""
        if len(train_labels) >= _FEW and all(len(tags) == 1 for tags in train_labels):
            raise DataError(
                f"task '{task.name}': every row of train holds one word in '{task.spec.columns[0]}', and a row is a "
                f"sentence; write CoNLL, or lists of words and tags"
            )

    def naming(
        self,
        task: Task,
        found: Collection[str],
        head: Head | None,
        read_off: Callable[[], tuple[str, ...]],
        own: Sequence[str] | None = None,
    ) -> Naming:
        """By name; tags that name entities, where entities are to be scored."""
        naming = super().naming(task, found, head, read_off, own)
        scored = next((name for name in task.spec.metric_names if name.startswith("entity_")), None)
        strange = [name for name in naming.names if name != "O" and not name.startswith(_ENTITY)]
        if scored and strange:
            raise DataError(
                f"task '{task.name}': '{strange[0]}' is no tag of an entity (B-PER, I-PER, O), which {scored} needs; "
                f"set 'label_names', or 'metric: token_accuracy'"
            )
        return naming


def words_of(spec: TaskSpec, row: Row, where: str) -> tuple[str, ...]:
    """The words of a row; a word may hold spaces, but not be one."""
    value, column = row.get(spec.columns[0]), spec.columns[0]
    what = kind_of_text(value) if isinstance(value, str) else ""
    if what:
        raise DataError(f"{where}: '{column}' is {brief(value)}, the text of {what}; write JSONL")
    words = listed(value)
    if not words or not all(isinstance(word, str) for word in words):
        raise DataError(f"{where}: '{column}' is no list of words ({brief(value)}); mend or drop the row")
    for number, word in enumerate(words, 1):
        if not word.strip(" \t\r\n"):
            raise DataError(f"{where}: word {number} of '{column}' is empty; fill it in or take it out, with its tag")
        if not is_unicode(word):
            raise DataError(f"{where}: '{column}' holds half a character ({brief(word)}); mend or drop the row")
    return tuple(words)
