"""The head that a checkpoint brings, as its config.json describes it. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.tasks.kinds.kind import kind_of

_NO_NAME = re.compile(r"LABEL_[0-9]+")
_SHOWN = 8


@dataclass(frozen=True)
class Head:
    """A trained head.

    Attributes:
        names: of its outputs 0, 1, ...
        whose: words for the model, for messages.
    """

    names: tuple[str, ...]
    whose: str

    @cached_property
    def is_named(self) -> bool:
        """False where the names are those that transformers gives to outputs without names: LABEL_0, LABEL_1, ..."""
        return self.names != tuple(f"LABEL_{i}" for i in range(len(self.names)))

    @cached_property
    def has_placeholders(self) -> bool:
        """True where every name is such a one, in whatever order."""
        return all(_NO_NAME.fullmatch(name) for name in self.names)


def head_of(config: Mapping[str, Any], kind: str, whose: str) -> Head | None:
    """The head of a checkpoint for a kind of task; None where it brings none, or one of another kind.

    Args:
        config: its config.json.
        kind: of the task, by name.
        whose: words for the model, for messages.

    Raises:
        CheckpointError: ``id2label`` does not name each output once, or ``label2id`` says otherwise.
    """
    architectures = config.get("architectures")
    architecture = architectures[0] if isinstance(architectures, list) and architectures else ""
    wanted = kind_of(kind)
    if not str(architecture).endswith(f"For{wanted.head}"):
        return None
    return Head(output_names(config, whose) if wanted.reads_names else (), whose)


def output_names(config: Mapping[str, Any], whose: str) -> tuple[str, ...]:
    """The names of outputs 0, 1, ...

    Raises:
        CheckpointError: as ``head_of``.
    """
    said = config.get("id2label")
    if said is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise CheckpointError(f"{whose}: num_labels in config.json is {count!r}; mend it: a whole number from 1")
        return tuple(f"LABEL_{i}" for i in range(count))
    if not isinstance(said, Mapping) or not said:
        raise CheckpointError(f"{whose}: id2label in config.json is no object of number -> name; mend it")
    by_number = {str(key): str(name) for key, name in said.items()}
    if set(by_number) != {str(i) for i in range(len(said))}:
        raise CheckpointError(
            f"{whose}: id2label in config.json has the numbers {shown(sorted(by_number))}, and {len(said)} labels are "
            f"numbered 0 to {len(said) - 1}; mend it"
        )
    names = tuple(by_number[str(i)] for i in range(len(said)))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CheckpointError(f"{whose}: id2label in config.json has the name '{twice}' twice; mend it")
    _check_back(config.get("label2id"), names, whose)
    return names


def _check_back(said: Any, names: tuple[str, ...], whose: str) -> None:
    """Refuse a ``label2id`` that gives a name another number; what transformers fills in for no names says nothing."""
    if not isinstance(said, Mapping) or all(_NO_NAME.fullmatch(str(name)) for name in said):
        return
    number = {name: i for i, name in enumerate(names)}
    for name, value in said.items():
        if str(name) in number and str(value) != str(number[str(name)]):
            raise CheckpointError(
                f"{whose}: '{name}' is label {number[str(name)]} by id2label in config.json and {value} by label2id; "
                f"mend one of them"
            )


def shown(names: Any) -> str:
    """Names for a message, no more than fit in."""
    parts = [ascii(name)[1:-1] if not name.isprintable() else name for name in map(str, names)]
    parts = [name if len(name) <= 40 else f"{name[:37]}..." for name in parts]
    rest = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN + 1 else ""
    return ", ".join(parts[:_SHOWN] if rest else parts) + rest
