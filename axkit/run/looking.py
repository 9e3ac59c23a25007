"""Two models' answers to the test rows, as a report shows them: which moved, class by class, how sure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from axkit.run.looked import Bin, Looked, Moved, Side
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import owned
from axkit.tasks.kinds.look import Classes, Decisions, Look
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.split import Evaluation

MOST = 200  # moved rows that are kept
MOST_CLASSES = 25  # whose confusion is kept
_POINTS = 400  # of a plot of numbers
_BINS = 10


def look_at(kind: str, rows: SplitRows, dense: Evaluation, result: Evaluation) -> Looked:
    """What a person is shown.

    Args:
        kind: of the task, by name.
        rows: of the test split.
        dense: the dense model's answers to them.
        result: the result's.
    """
    with owned(kind):
        return _looked_at(kind, rows, dense, result)


def without_right(looked: Looked) -> Looked:
    """The same where rows have no labels: another answer than the dense model's is neither right nor wrong."""
    dense, result = (replace(one, bins=()) for one in (looked.dense, looked.result))
    return replace(looked, words=("another answer",) * 3, dense=dense, result=result)


def _looked_at(kind: str, rows: SplitRows, dense: Evaluation, result: Evaluation) -> Looked:
    look = rows_of(kind).look
    gains = look.gains(dense.predictions, result.predictions, dense.labels)
    changed = look.differ(dense.predictions, result.predictions)
    counts = tuple(int((changed & of).sum()) for of in (gains > 0, gains < 0, gains == 0))
    order = np.flatnonzero(changed)[np.argsort(gains[changed], kind="stable")]
    picked = order if len(order) <= MOST else np.concatenate([order[: MOST // 2], order[-MOST // 2 :]])
    before, after = (look.classes(one.predictions, one.labels, rows.label_names) for one in (dense, result))
    names = _names(before, after)
    return Looked(
        unit=look.unit,
        words=look.moves,
        counts=(counts[0], counts[1], counts[2]),
        rows=len(gains),
        moved=tuple(_moved(look, rows, picked.tolist(), (dense, result), gains)),
        classes=names,
        there=tuple(_there(before, name) for name in names),
        dense=_side(look, before, names, dense),
        result=_side(look, after, names, result),
        numbers=_numbers(dense, result) if look.numbers else (),
    )


def _moved(look: Look, rows: SplitRows, picked: list[int], both: tuple[Evaluation, Evaluation], gains: Any) -> Any:
    sure = [look.sureness(one.confidences or [None] * len(gains)) for one in both]
    for row in picked:
        text = rows.texts[row]
        dense, result = (look.said(one.predictions[row], rows.label_names, text) for one in both)
        wanted = look.wanted(both[0].labels[row], rows.label_names, text)
        gain, before, after = float(gains[row]), sure[0][row], sure[1][row]
        yield Moved(row, look.text(text), wanted, dense, result, gain, before, after)


def _names(before: Classes | None, after: Classes | None) -> tuple[str, ...]:
    """The classes of both, in the order of the first: a type of entity may be there for one model alone."""
    return tuple(dict.fromkeys(name for one in (before, after) if one is not None for name in one.names))


def _there(classes: Classes | None, name: str) -> int:
    values = {} if classes is None else dict(zip(classes.names, classes.counts.there.tolist(), strict=False))
    return int(values.get(name, 0))


def _side(look: Look, classes: Classes | None, names: tuple[str, ...], found: Evaluation) -> Side:
    decisions = look.decisions(found.predictions, found.labels, found.confidences or [])
    bins = tuple(_bins(decisions)) if decisions is not None else ()
    if classes is None:
        return Side(bins=bins)
    counts = classes.counts
    each = {
        name: (float(precision), float(recall), float(f1))
        for name, precision, recall, f1 in zip(
            classes.names, counts.precision(), counts.recall(), counts.f1(), strict=False
        )
    }
    scores = tuple(each.get(name, (0.0, 0.0, 0.0)) for name in names)
    return Side(scores, _confusion(classes, names), bins)


def _confusion(classes: Classes, names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """The counts in the order of the names; none where there are too many to be looked at."""
    if classes.confusion is None or len(names) > MOST_CLASSES:
        return ()
    place = [names.index(name) for name in classes.names]
    whole = np.zeros((len(names), len(names)), np.int64)
    whole[np.ix_(place, place)] = classes.confusion
    return tuple(tuple(row) for row in whole.tolist())


def _bins(decisions: Decisions) -> Any:
    """Ten of equal width; those that nothing fell in are left out."""
    number = np.clip((decisions.confidence * _BINS).astype(np.int64), 0, _BINS - 1)
    for place in range(_BINS):
        chosen = number == place
        if chosen.any():
            means = float(decisions.confidence[chosen].mean()), float(decisions.right[chosen].mean())
            yield Bin(place / _BINS, (place + 1) / _BINS, int(chosen.sum()), *means)


def _numbers(dense: Evaluation, result: Evaluation) -> tuple[tuple[float, ...], ...]:
    """(label, dense, result), of rows that are spread over the split."""
    step = max(1, -(-len(dense.labels) // _POINTS))
    columns = (one[::step].tolist() for one in (dense.labels, dense.predictions, result.predictions))
    return tuple(zip(*columns, strict=True))
