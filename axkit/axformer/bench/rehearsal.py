"""A copy of the model as it will compute once it is converted: what a search decides on."""

from __future__ import annotations

from axkit.contract.subject import Subject, TrailStep
from axkit.ground import fence, registry


def rehearses(subject: Subject) -> bool:
    """Whether a pass of the trail has left something to rehearse."""
    return bool(_left(subject))


def _left(subject: Subject) -> dict[str, TrailStep]:
    """Name of a pass -> its latest step with a state: what a pass did twice counts once."""
    return {step.name: step for step in subject.trail if step.state is not None}


def rehearsed(subject: Subject) -> Subject:
    """A copy that the passes of the trail have made to compute as a conversion after the search will have it.

    Raises:
        PluginError: a pass of the trail is not installed.
    """
    copy = subject.copy()
    for step in _left(subject).values():
        pass_class = registry.get(registry.PASSES, step.name)
        with fence.working(fence.whose("pass", step.name, step.source)):
            pass_class().rehearse(copy, pass_class.Config.model_validate(step.config), step.state or {})
    return copy
