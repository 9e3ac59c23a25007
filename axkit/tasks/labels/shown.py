"""How rows were read, in a few lines: for ``axkit plan``. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from axkit.tasks.source.origin import one_line
from axkit.tasks.source.rows import SplitRows, TaskRows
from axkit.tasks.spec import Kind, TaskSpec

ROWS = 3  # that are shown
_WIDTH = 60  # characters of a text
_MOST = 20  # labels that are counted one by one


def shown_rows(spec: TaskSpec, rows: TaskRows) -> list[str]:
    """A line for each of the first rows of train: its texts, shortened, and its label by name."""
    train = rows.splits["train"]
    return [
        f"{_text(spec, train.texts[index])} -> {_LABEL[spec.kind](train, train.labels[index], train.texts[index])}"
        for index in range(min(ROWS, len(train)))
    ]


def shown_labels(spec: TaskSpec, rows: TaskRows) -> dict[str, str]:
    """Split -> how often each label stands there, or the range of its scores."""
    return {name: _COUNT[spec.kind](split) for name, split in rows.splits.items()}


def shortened(text: str, width: int = _WIDTH) -> str:
    """A text on one line, without characters that a terminal would obey."""
    return one_line(text, width)


def _text(spec: TaskSpec, text: Sequence[Any]) -> str:
    if spec.kind == "token_classification":
        return f"[{shortened(', '.join(text))}]"
    if spec.kind == "image_classification":
        return shortened(text[0] if isinstance(text[0], str) else "an image")
    return " | ".join(f"'{shortened(part)}'" for part in text)


def _class(split: SplitRows, label: Any, text: Any) -> str:
    return shortened(split.label_names[int(label)])


def _score(split: SplitRows, label: Any, text: Any) -> str:
    return f"{float(label):g}"


def _several(split: SplitRows, label: Any, text: Any) -> str:
    chosen = [name for name, there in zip(split.label_names, label, strict=True) if there]
    return shortened(", ".join(chosen)) or "none"


def _tags(split: SplitRows, label: Any, text: Any) -> str:
    return f"[{shortened(', '.join(label))}]"


def _answers(split: SplitRows, label: Any, text: Any) -> str:
    return ", ".join(f"'{shortened(answer)}' at {start}" for start, answer in label[:2]) or "no answer"


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    found = list(counts)
    told = ", ".join(f"{shortened(name)}: {count}" for name, count in found[:_MOST])
    return told + (f", and {len(found) - _MOST} more labels" if len(found) > _MOST else "")


def _count_classes(split: SplitRows) -> str:
    counts = np.bincount(split.labels, minlength=len(split.label_names)).tolist()
    return _counted(zip(split.label_names, counts, strict=True))


def _count_several(split: SplitRows) -> str:
    counts = split.labels.reshape(len(split), -1).sum(0).tolist()
    return _counted(zip(split.label_names, counts, strict=True))


def _count_tags(split: SplitRows) -> str:
    counts = Counter(tag for tags in split.labels for tag in tags)
    return _counted((name, counts[name]) for name in split.label_names)


def _range(split: SplitRows) -> str:
    return f"{split.labels.min():g} to {split.labels.max():g}, mean {split.labels.mean():.4g}"


def _count_answers(split: SplitRows) -> str:
    without = sum(not answers for answers in split.labels)
    return f"{len(split) - without} with an answer, {without} without"


_LABEL: dict[Kind, Callable[[SplitRows, Any, Any], str]] = {
    "classification": _class,
    "regression": _score,
    "multi_label": _several,
    "token_classification": _tags,
    "question_answering": _answers,
    "image_classification": _class,
}
_COUNT: dict[Kind, Callable[[SplitRows], str]] = {
    "classification": _count_classes,
    "regression": _range,
    "multi_label": _count_several,
    "token_classification": _count_tags,
    "question_answering": _count_answers,
    "image_classification": _count_classes,
}
