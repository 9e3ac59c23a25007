"""What a model folder says of its model's task: the part ``about`` of axkit.json. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from axkit.ground.errors import CheckpointError
from axkit.ground.fields import present
from axkit.ground.target import Target
from axkit.tasks.samples import Samples

_LONGEST = 1 << 20  # tokens: what a file may make us time


@dataclass(frozen=True)
class About:
    """A model's task. What is None is not said.

    Attributes:
        recipe: the name of the recipe that made it.
        task: a registered name, or the mapping of a recipe.
        kind: of the task.
        samples: rows of each split.
        label_names: in the order of the model's outputs.
        token_lengths: of test rows, for timing where the data is not at hand.
        target: what it was made for, where the recipe says so.
    """

    recipe: str | None = None
    task: str | Mapping[str, Any] | None = None
    kind: str | None = None
    samples: Samples | None = None
    label_names: tuple[str, ...] | None = None
    token_lengths: tuple[int, ...] | None = None
    target: Target | None = None

    @property
    def named(self) -> str | None:
        """The task's registered name, or a hub data set's; None of own files, and where nothing is said."""
        if not isinstance(self.task, Mapping):
            return self.task
        name = self.task.get("hub") or self.task.get("name")
        return str(name) if name else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return present(
            recipe=self.recipe,
            task=self.task,
            kind=self.kind,
            samples=None if self.samples is None else self.samples.model_dump(exclude_none=True),
            label_names=None if self.label_names is None else list(self.label_names),
            token_lengths=None if self.token_lengths is None else list(self.token_lengths),
            target=None if self.target is None else self.target.model_dump(),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> About:
        """The inverse of ``to_json``.

        Args:
            data: what stands there; other keys are left out.
            where: words for the place.

        Raises:
            CheckpointError: it is no such thing.
        """
        held = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name, value in held.items():
            if not _CHECKS[name](value):
                raise CheckpointError(f"{where} is damaged ({name}); copy the whole folder again")
        for name in ("label_names", "token_lengths"):
            if name in held:
                held[name] = tuple(held[name])
        if "samples" in held:
            held["samples"] = Samples.model_validate(held["samples"])
        if "target" in held:
            held["target"] = Target.model_validate(held["target"])
        return cls(**held)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_lengths(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 < one <= _LONGEST for one in value)


def _fits(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "recipe": _is_text,
    "task": lambda value: isinstance(value, str | dict),
    "kind": _is_text,
    "samples": lambda value: _fits(Samples, value),
    "label_names": _are_texts,
    "token_lengths": _are_lengths,
    "target": lambda value: _fits(Target, value),
}
