"""What a pass made, on its way through a folder and under what later passes do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch

from axkit.contract.subject import Subject, TrailStep
from axkit.ground.errors import shown
from axkit.run.obligations import settle
from axkit.testing import prints
from axkit.testing.applied import Applied, Trial, Twice
from axkit.testing.looks import logits_of, reload
from axkit.testing.orders import ORDERS
from axkit.testing.tiny import tiny_subject

T = TypeVar("T")


@dataclass
class Saved:
    """The result of an apply, noted on its trail.

    Attributes:
        applied: the first apply.
        subject: after it, in eval mode, with its step.
        orders: with cuts, to try a pass with a state in.
    """

    applied: Applied
    subject: Subject
    orders: tuple[tuple[str, ...], ...] = ORDERS

    @classmethod
    def of(cls, twice: Twice, orders: tuple[tuple[str, ...], ...] = ORDERS) -> Saved:
        """Note the step, as the engine does."""
        first = twice.first
        subject = first.subject
        settle(subject)
        subject.passed(step_of(first.trial, first.result.state, first.result.facts))
        return cls(first, subject, orders)

    @cached_property
    def answers(self) -> torch.Tensor:
        """Logits on the search rows."""
        return logits_of(self.subject.module, self.applied.rows)

    @cached_property
    def again(self) -> Subject | str:
        """The same out of a folder, in fresh objects; or why it cannot be had."""
        return fenced(lambda: reload(self.subject, self.subject.reader))

    @cached_property
    def state_changed(self) -> bool:
        """Whether loading changes the state that it is given."""
        state = self.applied.result.state
        if state is None or isinstance(self.again, str):
            return False
        trial, given = self.applied.trial, json.loads(json.dumps(state))
        blank = tiny_subject(trial.family)
        if self.subject.structure != blank.structure:
            blank.carve(self.subject.structure)
        fenced(lambda: trial.runner().restore(blank, trial.config, given))
        return bool(given != json.loads(json.dumps(state)))

    @cached_property
    def hooks_left(self) -> list[str]:
        """Modules with more hooks than they have out of a folder."""
        if isinstance(self.again, str):
            return []
        now, fresh = prints.of_hooks(self.subject.module), prints.of_hooks(self.again.module)
        return [name for name in now if now[name] > fresh.get(name, 0)]


def step_of(trial: Trial, state: Any, facts: Any) -> TrailStep:
    """The pass on a trail."""
    return TrailStep(trial.name, "under check", trial.config.model_dump(mode="json"), state, dict(facts))


def fenced(had: Callable[[], T]) -> T | str:
    """What it gives, or what is said of its failing: an author's modules and restore may raise whatever they like."""
    try:
        return had()
    except Exception as error:  # noqa: BLE001  # becomes a sentence
        return f"{type(error).__name__}: {shown(error, 300)}"
