"""A copy of the model as it will compute once it is converted: what a search decides on."""

from __future__ import annotations

from axkit.contract.registered import pass_of_trail
from axkit.contract.subject import Subject, TrailStep
from axkit.ground import fence


def rehearses(subject: Subject) -> bool:
    """Whether a pass of the trail has left something to rehearse."""
    return bool(_left(subject))


def _left(subject: Subject) -> dict[str, TrailStep]:
    """Name of a pass -> its latest step with a state: what a pass did twice counts once."""
    return {step.name: step for step in subject.trail if step.state is not None}


def rehearsed(subject: Subject) -> Subject:
    """A copy that the passes of the trail have made to compute as a conversion after the search will have it.

    Raises:
        CheckpointError: a pass of the trail is not installed.
    """
    copy = subject.copy()
    for step in _left(subject).values():
        ready = pass_of_trail(step.name, step.source, step.config)
        with fence.working(ready.who):
            ready.runner.rehearse(copy, ready.config, step.state or {})
    return copy
