"""The order of a recipe's passes: what one ends another may need, and where the dense model is. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from axkit.contract.traits import INITIAL_TRAITS, TEACHER_TOKENS, Trait
from axkit.ground import fence
from axkit.ground.errors import RecipeError
from axkit.run.recipe import Source
from axkit.run.steps import PlannedStep
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.spec import Task


def check_order(source: Source, steps: Sequence[PlannedStep], faults: list[str]) -> None:
    """Refuse a pass after one that ended what it needs."""
    ended: dict[Trait, PlannedStep] = {}
    for step in steps:
        where = source.place(("passes", step.index, "pass"))
        lost = sorted(step.requires & ended.keys())
        if lost:
            earlier = ended[lost[0]]
            swapped = step.runner.ends & earlier.requires  # then the other order fails too
            way_out = "leave one of the two out" if swapped else f"put '{step.name}' before it"
            faults.append(
                f"{where}: '{step.name}' needs {lost[0]}, which '{earlier.name}' (pass {earlier.index}) ends; {way_out}"
            )
        for trait in sorted(step.requires - INITIAL_TRAITS - ended.keys()):
            faults.append(f"{where}: '{step.name}' needs {trait}, which no earlier pass brings")
        for trait in step.runner.ends:
            ended.setdefault(trait, step)


def check_target(source: Source, steps: Sequence[PlannedStep], faults: list[str]) -> None:
    """Refuse a pass whose result cannot run where the recipe's target says."""
    target = source.recipe.target
    for step in steps:
        served = step.runner.targets
        if served is not None and target.kind not in served:
            way_out = f"take {step.runner.elsewhere}" if step.runner.elsewhere else "leave it out"
            faults.append(
                f"{source.place(('passes', step.index, 'pass'))}: what '{step.name}' makes runs on "
                f"{' and '.join(sorted(served))} alone, and the target is {target.device}; {way_out}"
            )


def check_unlabelled(source: Source, task: Task, steps: Sequence[PlannedStep]) -> None:
    """Refuse what labels alone can teach or decide, where a task has none.

    Raises:
        RecipeError: with all faults.
    """
    faults = []
    by_token = kind_of(task.spec.kind).windows or rows_of(task.spec.kind).lists
    for step in steps:
        with fence.answering(step.who, "failed in without_labels", step.is_ours):
            told = step.runner.without_labels(step.config)
        for one in (step, *step.inner.values()):
            if one.trains_alone:
                told = f"learns from labels, and task '{task.name}' has none; leave it out, and give a fine-tuned model"
                told = told if one is step else f"runs '{one.name}', which {told}, or take distill"
        if by_token and TEACHER_TOKENS in step.runner.ends:
            told = (
                f"cuts texts into other tokens, and without labels {task.spec.kind} is held against the dense model's "
                f"answer to each token; leave it out"
            )
        if told:
            faults.append(f"{source.place(('passes', step.index, 'pass'))}: '{step.name}' {told}")
    if faults:
        raise RecipeError(faults)


def baseline_of(steps: Sequence[PlannedStep]) -> int:
    """How many leading steps make the dense model: they train, and learn nothing from it."""
    count = 0
    while count < len(steps) and steps[count].trains_alone:
        count += 1
    return count
