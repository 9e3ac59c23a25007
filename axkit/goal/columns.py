"""Which column is the text and which the label. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axkit.goal.peek import Peeked
from axkit.ground.errors import DataError
from axkit.tasks.kinds.kind import Kind
from axkit.tasks.source.origin import some_of

_PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("query", "document"),
    ("query", "passage"),
    ("question", "sentence"),
)
_TEXTS = "text sentence review content body comment message document tweet question query utterance title".split()
_LABELS = "label labels class category target sentiment intent topic rating score similarity stars y tag tags".split()
_WORDS = "words tokens word token".split()
_TAGS = "tags ner_tags tag labels ner pos_tags ner_labels".split()
_MOST_CLASSES = 0.5  # distinct values of a label column, as a share of its rows


@dataclass(frozen=True)
class Columns:
    """What a task reads of a row.

    Attributes:
        texts: one column or two; the image's.
        label: the column of the label; None where nobody asks for one.
        id: of a row's own name, if any.
    """

    texts: tuple[str, ...]
    label: str | None
    id: str | None = None


@dataclass(frozen=True)
class Told:
    """What the caller says of the columns himself; empty where he does not."""

    texts: tuple[str, ...] = ()
    label: str | None = None
    unlabelled: bool = False  # the labels, if there are any, are not asked for


def label_by_name(peeked: Peeked, told: Told) -> str | None:
    """The column of the label as it is told, or by its own name; None where none or several have such a name."""
    left = [name for name in peeked.columns if name not in told.texts]
    exact = [name for name in left if _plain(name) in _LABELS[:2]]
    named = exact or [name for name in left if _plain(name) in (*_LABELS, *_TAGS)]
    return told.label or (named[0] if len(named) == 1 else None)


def columns_of(peeked: Peeked, kind: Kind, told: Told, names: Sequence[str], where: str) -> Columns:
    """The columns of a task.

    Args:
        peeked: rows of the data.
        kind: of the task.
        told: what is known of them already.
        names: what the model calls its labels; empty where it has no names.
        where: words for the data.

    Raises:
        DataError: a column is not there, or which it is cannot be seen.
    """
    there = peeked.columns
    for name in (*told.texts, *([told.label] if told.label else ())):
        if name not in there:
            raise DataError(f"{where} has no column '{name}'; the columns are {some_of(there)}")
    if kind.windows:
        return _of_questions(peeked, told, where)
    label = told.label
    if told.unlabelled:
        named = [name for name in there if _plain(name) in (*_LABELS, *_TAGS) and name not in told.texts]
        return Columns(told.texts or _texts(peeked, kind, named, where), None)
    label = label or _label(peeked, kind, told, names, where)
    texts = told.texts or _texts(peeked, kind, [label], where)
    return Columns(texts, label)


def _of_questions(peeked: Peeked, told: Told, where: str) -> Columns:
    wanted, label = told.texts or ("question", "context"), told.label or "answers"
    for name in wanted if told.unlabelled else (*wanted, label):
        if name not in peeked.columns:
            way = "--text QUESTION --text CONTEXT --label ANSWERS"
            raise _unclear(where, "question, the context, or that of the answers", peeked, way)
    return Columns(wanted, None if told.unlabelled else label, "id" if "id" in peeked.columns else None)


def _label(peeked: Peeked, kind: Kind, told: Told, names: Sequence[str], where: str) -> str:
    """By what its cells hold where the model has names, else by its own name, else the one that repeats itself."""
    left = [name for name in peeked.columns if name not in told.texts]
    known = {_plain(name) for name in names}
    for wanted in (
        lambda name: bool(known) and {_plain(value) for value in peeked.values(name)} <= known and peeked.values(name),
        lambda name: _plain(name) in (_TAGS if kind.name == "token_classification" else _LABELS),
        lambda name: len(left) == 2 and _repeats(peeked.values(name)),
    ):
        found = [name for name in left if wanted(name)]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            break
    raise _unclear(where, "label", peeked, "--label COLUMN")


def _texts(peeked: Peeked, kind: Kind, labels: Sequence[str], where: str) -> tuple[str, ...]:
    left = [name for name in peeked.columns if name not in labels]
    plain = {_plain(name): name for name in left}
    if kind.inputs == "pixels":
        return ("image",) if "image" in left else _only(left, where, "image", peeked)
    if kind.name == "token_classification":
        return _first(plain, _WORDS) or _only(left, where, "words", peeked)
    if 2 in kind.takes:
        for pair in _PAIRS:
            if set(pair) <= plain.keys():
                return plain[pair[0]], plain[pair[1]]
    named = [plain[name] for name in _TEXTS if name in plain]
    if len(named) == 1:
        return (named[0],)
    wordy = [name for name in left if _is_prose(peeked.values(name))]
    return _only(wordy if len(wordy) == 1 else left, where, "text", peeked)


def _first(plain: dict[str, str], names: Sequence[str]) -> tuple[str, ...]:
    return next(((plain[name],) for name in names if name in plain), ())


def _only(left: Sequence[str], where: str, what: str, peeked: Peeked) -> tuple[str, ...]:
    if len(left) != 1:
        raise _unclear(where, what, peeked, "--text COLUMN (twice for a pair)")
    return (left[0],)


def _unclear(where: str, what: str, peeked: Peeked, way: str) -> DataError:
    return DataError(f"{where}: which column is the {what}? It has {some_of(peeked.columns)}: say so by {way}")


def _plain(value: Any) -> str:
    return str(value).strip().casefold().replace("-", "_").replace(" ", "_")


def _repeats(values: Sequence[Any]) -> bool:
    return bool(values) and len({str(value) for value in values}) <= _MOST_CLASSES * len(values)


def _is_prose(values: Sequence[Any]) -> bool:
    """Whether most cells are several words."""
    return bool(values) and sum(isinstance(one, str) and len(one.split()) > 2 for one in values) > len(values) / 2
