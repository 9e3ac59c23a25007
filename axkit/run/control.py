"""The control of a recipe that trains: the same training without the cuts, so that it is known whose a gain is.

A model that learns on gets better by that alone. What a recipe's cuts are worth shows beside a model that went through
the recipe's training passes and nothing else, on the same test rows, by the same paired tests. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from axkit.run.planning import Plan
from axkit.run.quality import ControlFound, ControlRecord, Quality
from axkit.run.steps import numbered
from axkit.run.verdict import judge


@dataclass(frozen=True)
class Control:
    """Whether there is one.

    Attributes:
        plan: of the control; None where there is none.
        why: in words, why there is none.
        trains: whether a pass behind the dense model trains at all, so that there is a question.
        left_out: passes that train inside (``recover``), which goes with them.
    """

    plan: Plan | None = None
    why: str = ""
    trains: bool = True
    left_out: tuple[str, ...] = ()

    def record(self, found: ControlFound | None = None) -> ControlRecord:
        """What the report says of it.

        Args:
            found: its figures, where it was run.
        """
        passes = tuple(step.name for step in self.plan.steps) if self.plan else ()
        return ControlRecord(found, self.why, self.trains, passes, self.left_out)


def control_of(plan: Plan) -> Control:
    """The control of a plan, where it has one: its passes that train, without those in between.

    Of ``control: auto`` it is not decided here whether it runs; see ``wanted``.
    """
    later = plan.steps[plan.baseline :]
    trainings = [step for step in later if step.runner.trains]
    if not trainings:
        return Control(why="no pass behind the dense model trains", trains=False)
    if len(trainings) == len(later):
        return Control(why="the recipe only trains, and is its own control", trains=False)
    if plan.recipe.control is False:
        return Control(why="the recipe says control: false")
    kept = (*plan.steps[: plan.baseline], *trainings)
    return Control(plan.with_steps(numbered(kept)), left_out=tuple(step.name for step in later if step.inner))


def foreseen(plan: Plan) -> str:
    """What the plan tells of it, in a sentence; empty where there is no question."""
    control = control_of(plan)
    if control.plan is None:
        return f"no control: {control.why}" if control.trains else ""
    names = ", ".join(step.name for step in control.plan.steps)
    auto = ", where the result is better than the dense model by more than chance"
    when = "" if plan.recipe.control is True else auto
    return f"control: {names}, the same training without the cuts, is run too{when}"


def wanted(control: Control, setting: bool | str, quality: Quality) -> Control:
    """Whether a control runs, now that the result is measured.

    Args:
        control: of the plan.
        setting: of the recipe; ``auto`` runs it only where the result is better than the dense model by more than
            chance, because only then there is a gain to be explained.
        quality: of the two models.
    """
    if control.plan is None or setting is True or judge(quality) == "gain":
        return control
    return Control(why="control: auto asks for one only where the result is better by more than chance")
