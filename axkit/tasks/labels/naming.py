"""Which output stands for which label: the names of a checkpoint's head against those of the data. Imports no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axkit.ground.errors import DataError, did_you_mean
from axkit.tasks.labels.head import Head, shown
from axkit.tasks.spec import Task, TaskSpec

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Naming:
    """What was agreed on.

    Attributes:
        read: names of labels as the cells have them.
        names: of classes 0, 1, ..., which are the outputs of the head.
        places: the class of each name in ``read``.
        loosely: a cell may spell a name in another way, as far as ``fold`` goes: the names are a head's.
        by_place: cells of numbers are places in ``read``, whose names are words.
        why: where names and order come from, for the plan.
    """

    read: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    by_place: bool = False
    loosely: bool = False
    why: str = ""

    @property
    def positive(self) -> int:
        """The class that F1 is of: the second as the data has them."""
        return self.places[1] if len(self.places) > 1 else 1

    def relabelled(self, labels: Any) -> Any:
        """Labels as they were read -> labels of the classes: int64 (rows,) or (rows, labels), or an array of tags."""
        if self.read == self.names and self.places == tuple(range(len(self.names))):
            return labels
        places = np.array(self.places, dtype=np.int64)
        if labels.dtype == object:
            new = {name: self.names[place] for name, place in zip(self.read, self.places, strict=True)}
            made = np.empty(len(labels), dtype=object)
            made[:] = [tuple(new[tag] for tag in tags) for tags in labels]
            return made
        if labels.ndim == 2:
            made = np.zeros((len(labels), len(self.names)), labels.dtype)
            for column, place in enumerate(self.places):
                made[:, place] |= labels[:, column]
            return made
        return places[labels]


def agree(
    task: Task,
    found: Collection[str],
    head: Head | None,
    read_off: Callable[[], tuple[str, ...]],
    own: Sequence[str] | None = None,
) -> Naming:
    """Settle names and order of a task's labels.

    A head that has names is right about them: its order is taken, and a label of the data is the output of that name.
    Without names, output i is label i. Without a head the data, or the task, says it.

    Args:
        task: its ``label_names`` name the labels 0, 1, ... of the data, its ``label_map`` says what they are called by
            the head.
        found: the labels in train, as texts; empty where a label has a column of its own.
        head: of the checkpoint; None where it brings none.
        read_off: the names that train alone suggests.
        own: names that the data set has for its numbers; as good as ``label_names``, where the task has none.

    Raises:
        DataError: the names, or how many there are, do not fit the head; says both, and the setting that maps them.
    """
    spec = task.spec
    said: Sequence[str] | None = spec.label_columns if len(spec.label_columns) > 1 else spec.label_names
    why = (
        "read off train"
        if said is None and own is None
        else f"as the {'data set' if said is None else 'task'} has them"
    )
    said = own if said is None else said
    if head is None:
        if said is None and found and spec.label_map and set(found) <= set(spec.label_map):
            return _of_data(
                spec, tuple(sorted(spec.label_map)), said=False, why=why
            )  # the map names them, with whatever gaps
        return _of_data(spec, read_off() if said is None else tuple(said), said is not None, why)
    wanted = tuple(sorted({*found, *(spec.label_map or ())}) if said is None else said)
    if not head.is_named and not spec.label_map and not set(wanted) <= set(head.names):
        return _by_place(task, head, wanted, said is not None)
    return _by_name(task, head, wanted, said is not None)


def _of_data(spec: TaskSpec, read: tuple[str, ...], said: bool, why: str) -> Naming:
    if not spec.label_map:
        return Naming(read, read, tuple(range(len(read))), said, why=why)
    new = [spec.renamed(name) for name in read]
    names = tuple(dict.fromkeys(new)) if said else tuple(sorted(set(new)))
    return Naming(read, names, tuple(names.index(name) for name in new), said, why=f"{why}, renamed by label_map")


def _by_place(task: Task, head: Head, wanted: tuple[str, ...], said: bool) -> Naming:
    """A head without names: output i is label i."""
    count, why = len(head.names), "the model's outputs have no names (LABEL_0, ...): output i is taken for label i"
    numbers = not said and all(_NUMBER.fullmatch(name) for name in wanted)
    have = max(map(int, wanted), default=-1) + 1 if numbers else len(wanted)
    if have != count:
        raise DataError(
            f"{outputs_in_words(head)}, task '{task.name}' has {have} ({shown(wanted)}); take a model without a "
            f"head, or name all labels in the order of the model's outputs in 'label_names'"
        )
    read = tuple(map(str, range(count))) if numbers else wanted
    order = "" if said or numbers else ", in alphabetical order; if it is another, set 'label_names'"
    return Naming(read, head.names if numbers else wanted, tuple(range(count)), said, why=why + order)


def _by_name(task: Task, head: Head, wanted: tuple[str, ...], said: bool) -> Naming:
    """A head with names: each label of the data is the output of that name, or of the one that ``label_map`` says."""
    exact = {name: place for place, name in enumerate(head.names)}
    exact |= {} if any(map(_NUMBER.fullmatch, head.names)) else {str(i): i for i in range(len(head.names))}
    for name in map(str, (task.spec.label_map or {}).values()):
        if name not in exact:
            raise DataError(
                f"task '{task.name}': 'label_map' names '{name}', which is no label of {head.whose}"
                f"{did_you_mean(name, head.names)}"
            )
    found = _places(task.spec, wanted, head, exact)
    mapped = task.spec.label_map or {}
    doubled = [place for place, n in Counter(p for name, p in found.items() if name not in mapped).items() if n > 1]
    if len(found) < len(wanted) or doubled:
        if not said and not mapped and all(_NUMBER.fullmatch(name) for name in wanted):
            return _by_number(task, head, wanted)
        raise DataError(_refusal(task, head, wanted, [name for name in wanted if name not in found]))
    free = [place for place in range(len(head.names)) if place not in found.values()]
    read = wanted if said else (*wanted, *(head.names[place] for place in free if head.names[place] not in found))
    places = tuple(found[name] if name in found else exact[name] for name in read)
    return Naming(read, head.names, places, said, not said, _why(head, wanted, said, found, mapped, free))


def _places(spec: TaskSpec, wanted: Sequence[str], head: Head, exact: Mapping[str, int]) -> dict[str, int]:
    """Label of the data -> output; what has none is left out."""
    alike, mapped, found = apart_when_folded(head.names), spec.label_map or {}, {}
    for name in wanted:
        if name in mapped:
            found[name] = exact[spec.renamed(name)]
        elif name in head.names:
            found[name] = head.names.index(name)
        elif fold(name) in alike:
            found[name] = alike[fold(name)]
    return found


def _by_number(task: Task, head: Head, wanted: tuple[str, ...]) -> Naming:
    """The data has numbers, the model words: number i is its name i."""
    count, most = len(head.names), max(map(int, wanted), default=-1)
    if any(_NUMBER.fullmatch(name) for name in head.names):
        raise DataError(_refusal(task, head, wanted, wanted))
    if most + 1 != count:
        raise DataError(
            f"{outputs_in_words(head)} ({shown(head.names)}), task '{task.name}' has {most + 1} (the numbers 0 to "
            f"{most}); take a model without a head, or say what the numbers stand for in 'label_map' (0: "
            f"{head.names[0]})"
        )
    return Naming(
        head.names, head.names, tuple(range(count)), True, why="the model's names; number i of the data is its label i"
    )


def _why(
    head: Head,
    wanted: tuple[str, ...],
    said: bool,
    found: Mapping[str, int],
    mapped: Mapping[str, Any],
    free: list[int],
) -> str:
    parts = ["the model's names, in its order"]
    if mapped:
        parts.append(f"by label_map: {shown(f'{name} = {head.names[place]}' for name, place in found.items())}")
    elif any(name != head.names[place] for name, place in found.items()):
        pairs = (f"{name} = {head.names[place]}" for name, place in found.items() if name != head.names[place])
        parts.append(f"the data's are spelled otherwise: {shown(pairs)}")
    elif said and list(found.values()) != sorted(found.values()):
        parts.append(f"the task has them as {shown(wanted)}")
    if free:
        parts.append(f"the data has none of {shown(head.names[place] for place in free)}")
    return "; ".join(parts)


def outputs_in_words(head: Head) -> str:
    """``model 'x' has a head for 3 labels``."""
    return f"{head.whose} has a head for {len(head.names)} labels"


def _refusal(task: Task, head: Head, wanted: Sequence[str], missing: Sequence[str]) -> str:
    first = next(iter(missing), wanted[0] if wanted else "...")
    own = task.name in ("files", task.spec.hub)
    setting = "the task's 'label_map'" if own else "'label_map' of a task that the recipe describes"
    return (
        f"{head.whose} has the labels {shown(head.names)}, task '{task.name}' has {shown(wanted)}; say which is which "
        f"in {setting} (label_map: {{{first}: {head.names[0]}, ...}}), or take a model without a head"
    )


def fold(name: str) -> str:
    """A name without what hardly tells names apart: case, spaces, hyphens, underscores."""
    return re.sub(r"[\s_-]+", "", name.casefold())


def apart_when_folded(names: Sequence[str]) -> dict[str, int]:
    """Folded name -> place, for names that stay apart."""
    counts = Counter(map(fold, names))
    return {fold(name): place for place, name in enumerate(names) if counts[fold(name)] == 1}


def order_for(names: Sequence[str], head: Head) -> tuple[int, ...] | None:
    """Output of a head for each of some names, in their order; None where the head has other names.

    Where either side has no names, output i is name i.
    """
    places = tuple(range(len(names)))
    if len(names) != len(head.names) or (head.has_placeholders and head.is_named):
        return places if tuple(names) == head.names else None
    if tuple(names) == head.names or not head.is_named or not Head(tuple(names), "").is_named:
        return places
    alike = apart_when_folded(head.names)
    found = tuple(head.names.index(name) if name in head.names else alike.get(fold(name), -1) for name in names)
    return found if sorted(found) == list(places) else None
