"""Question answering without torch: a row is a question and its context, and a label its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from axkit.ground.errors import DataError
from axkit.tasks.kinds.data import KindRows, Shown, shortened
from axkit.tasks.kinds.luck import Constant, Luck, objects
from axkit.tasks.kinds.question_answering.look import AnswerLook
from axkit.tasks.labels.classes import kind_of_text
from axkit.tasks.labels.columns import LabelColumn
from axkit.tasks.labels.head import Head
from axkit.tasks.labels.naming import Naming
from axkit.tasks.source.nested import questions_of
from axkit.tasks.source.origin import Source, brief
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Row, Task, TaskSpec


class Answers(LabelColumn):
    """The answers of a question, each with its first character in the context."""

    has_names = False

    def label(self, row: Row, where: str, text: Any) -> tuple[tuple[int, str], ...]:
        """(first character, text) of each answer; none where the question has none."""
        value = self.value(row)
        try:
            answers = _pairs(value)
        except (KeyError, TypeError, ValueError, OverflowError):
            what = kind_of_text(value) if isinstance(value, str) else ""
            way = f", but the text of {what}; write JSONL" if what else "; mend the row"
            raise DataError(
                f"{where}: '{self.spec.label}' is no answer with text and answer_start ({brief(value)}){way}"
            ) from None
        for start, answer in answers:
            if not answer or start < 0 or text[1][start : start + len(answer)] != answer:
                raise DataError(
                    f"{where}: the context does not hold the answer {brief(answer)} at character {brief(start)}; "
                    f"mend the row"
                )
        if not answers and self.spec.no_answer_threshold is None:
            raise DataError(
                f"{where}: the question has no answer; give the task a 'no_answer_threshold' (0.0), or drop the row"
            )
        return answers


def _pairs(value: Any) -> tuple[tuple[int, str], ...]:
    """The shapes in use: {text: [...], answer_start: [...]}, a list of {text, answer_start}, or one of these."""
    if isinstance(value, Mapping):
        starts, texts = value["answer_start"], value["text"]
        both = (starts, texts)
        if isinstance(texts, str):
            both = ([starts], [texts])
        if not all(isinstance(part, list | tuple | np.ndarray) for part in both):
            raise TypeError("no lists")
        return tuple((_start(start), _text(text)) for start, text in zip(*both, strict=True))
    if not isinstance(value, list | tuple | np.ndarray):
        raise TypeError("no list")
    return tuple((_start(one["answer_start"]), _text(one["text"])) for one in value)


def _start(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer) or value != int(value):
        raise TypeError("no character")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


class AnswerLuck(Luck):
    """Of answers."""

    def majority(self, train_labels: Any, golds: Any) -> Any:
        """No answer, ever: all that can be said without reading."""
        return objects([""] * len(golds))

    def constants(self, golds: Any, names: Sequence[str]) -> list[Constant]:
        """No answer, and the text that is an answer most often."""
        often = Counter(text for answers in golds for text in answers).most_common(1)
        texts = ["", *(text for text, _ in often)]
        return [Constant(_in_words(text), objects([text] * len(golds))) for text in texts]

    def repeated(self, predictions: Any, names: Sequence[str]) -> str:
        """The one text."""
        one = len(predictions) > 1 and len(set(predictions)) == 1
        return _in_words(predictions[0]) if one else ""


def _in_words(text: str) -> str:
    return f"'{text:.40}'" if text else "no answer"


class ShownAnswers(Shown):
    """Answers and where they stand."""

    def label(self, split: SplitRows, label: Any) -> str:
        """The first two."""
        return ", ".join(f"'{shortened(answer)}' at {start}" for start, answer in label[:2]) or "no answer"

    def counted(self, split: SplitRows) -> str:
        """How many questions have an answer."""
        without = sum(not answers for answers in split.labels)
        return f"{len(split) - without} with an answer, {without} without"


class QuestionRows(KindRows):
    """Questions, contexts and answers."""

    luck = AnswerLuck()
    shown = ShownAnswers()
    look = AnswerLook()

    def column(self, spec: TaskSpec) -> type[LabelColumn]:
        """Answers in each cell."""
        return Answers

    def outputs(self, label_names: tuple[str, ...]) -> int:
        """Two: start and end."""
        return 2

    def unlabelled(self, text: tuple[Any, ...], names: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
        """No answer."""
        return ()

    def alike(self, text: tuple[Any, ...], where: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Questions on one context stay together: a model that has seen the context has seen the answers."""
        return text, text[1:]

    def naming(
        self,
        task: Task,
        found: Collection[str],
        head: Head | None,
        read_off: Callable[[], tuple[str, ...]],
        own: Sequence[str] | None = None,
    ) -> Naming:
        """Outputs are places in the text, and have no names."""
        return Naming()

    def nested(self, source: Source, value: Any, line: int | None = None) -> Iterable[Mapping[str, Any]] | None:
        """SQuAD's articles, paragraphs and questions."""
        return questions_of(source, value, line)
