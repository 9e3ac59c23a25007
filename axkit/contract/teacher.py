"""The dense model of a run, as it is lent to a pass."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import Any

from axkit.contract.subject import Subject


class Teacher(Subject):
    """A subject of its own, with its own reader; whoever is lent it leaves it as it is.

    A bare model was lent once: what is asked of the teacher as of one is passed on to it, with a warning.
    """

    @classmethod
    def of(cls, subject: Subject) -> Teacher:
        """The same model, lent: nothing is copied."""
        return cls(**{field.name: getattr(subject, field.name) for field in fields(subject)})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model("tools.teacher(...)")(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Subject.__annotations__ or hasattr(type(self), name):  # a copy's, half made
            raise AttributeError(name)
        return getattr(self._model(f"tools.teacher.{name}"), name)

    def _model(self, used: str) -> Any:
        """The model itself, for what knew the teacher as one."""
        warnings.warn(
            f"{used} asks the model: tools.teacher is a Subject now, use tools.teacher.module",
            DeprecationWarning,
            stacklevel=3,
        )
        return self.module
