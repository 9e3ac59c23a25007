"""Recipe to Plan: everything that can be refused is refused here, all faults at once. Imports no torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family, family_of
from axkit.checkpoint import sources as models
from axkit.checkpoint.config import is_own
from axkit.ground import fence
from axkit.ground.errors import AxkitError, RecipeError, shown
from axkit.run.configured import configured
from axkit.run.forecast import Forecast, Given, check_room, forecasts
from axkit.run.order import baseline_of, check_order, check_target, check_unlabelled
from axkit.run.origin import Origin, origin_of
from axkit.run.recipe import Recipe, Source
from axkit.run.steps import PlannedStep, numbered
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.labels.head import Head, head_of
from axkit.tasks.source.rows import TaskRows, load_rows
from axkit.tasks.spec import Task, resolve


@dataclass(frozen=True)
class Plan:
    """A recipe against a model, a task and the installed passes; nothing is loaded yet.

    Attributes:
        source: the recipe and its text.
        task: resolved.
        steps: the passes in order, numbered from 0; those that are left out are not among them.
        baseline: how many leading steps only train, without a dense model to learn from; what they leave is the dense
            model of the run.
    """

    source: Source
    task: Task
    steps: tuple[PlannedStep, ...]
    baseline: int

    @property
    def recipe(self) -> Recipe:
        """The recipe that was planned."""
        return self.source.recipe

    def with_steps(self, steps: tuple[PlannedStep, ...], baseline: int | None = None) -> Plan:
        """The same model and data under other passes; what was read is not read again.

        Args:
            steps: the passes.
            baseline: of them; None: the dense model is the same too.
        """
        made = copy.copy(self)
        object.__setattr__(made, "steps", steps)
        object.__setattr__(made, "baseline", self.baseline if baseline is None else baseline)
        return made

    @cached_property
    def model_folder(self) -> Path:
        """The local folder of the model; built or downloaded at first use."""
        return models.local_folder(self.recipe.model)

    @cached_property
    def model_config(self) -> Mapping[str, Any]:
        """The model's config.json."""
        return models.read_config(self.model_folder)

    @cached_property
    def head(self) -> Head | None:
        """The head for the kind of task that the model comes with; None where it has none."""
        return head_of(self.model_config, self.task.spec.kind, f"model '{self.recipe.model}'")

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the recipe has for a model without a head, where this one has it: pass by pass, with the reason."""
        waiting = [(index, shown(step.name)) for index, step in enumerate(self.recipe.passes) if step.when == "no_head"]
        if not waiting or self.head is None:
            return ()
        why = f"which is for a model without a head for the task, and '{self.recipe.model}' has one"
        return tuple(f"{index} {name}, {why}" for index, name in waiting)

    @cached_property
    def origin(self) -> Origin | None:
        """What made the model, where that was axkit."""
        return origin_of(self.recipe.model, self.model_folder, self.model_config)

    @cached_property
    def family(self) -> Family:
        """The model's architecture."""
        return family_of(self.model_config["model_type"])

    @cached_property
    def rows(self) -> TaskRows:
        """The task's rows, with the labels of the model's head; read at first use."""
        return load_rows(self.task, self.recipe.samples, self.head)

    @property
    def goes_on(self) -> bool:
        """Whether the model is a result of axkit with a head for the task, to be opened as it was left."""
        return self.origin is not None and self.head is not None

    @property
    def given(self) -> Given:
        """What was read of model and rows."""
        rows, target = self.rows, self.recipe.target
        return Given(self.family, self.model_config, self.model_folder, self.task.spec, rows, target)

    def forecasts(self, timed: bool = True) -> tuple[Forecast, ...]:
        """What each search will take here: tokens, candidates, disk, hours.

        Args:
            timed: whether to measure how fast this machine multiplies, for the hours.
        """
        return forecasts(self.steps, self.given, timed)

    def read(self) -> None:
        """Model folder and rows, now: what can be refused of them is refused before anything is written.

        Raises:
            StorageError: the disk has no room for what a search will keep.
        """
        _ = self.model_folder, self.rows
        check_room(self.forecasts(timed=False))


def plan(recipe: Recipe | Source) -> Plan:
    """Check a recipe: names, settings, the order of the passes, then family, data and head.

    Args:
        recipe: from ``Recipe.load`` or ``axkit.run.recipe.load_source`` (whose faults name lines).

    Raises:
        RecipeError: with all faults; those of names and settings come before anything is read.
        AxkitError: a model or data that cannot be had.
    """
    source = recipe if isinstance(recipe, Source) else Source(recipe, recipe.model_dump_json(by_alias=True), "recipe")
    faults: list[str] = []
    task = _task_of(source, faults)
    bare = None if task is None else Plan(source, task, (), 0)
    planned = _steps(source, bare, faults)
    check_target(source, planned, faults)
    check_order(source, planned, faults)
    if faults or task is None or bare is None:
        raise RecipeError(faults)
    made = bare.with_steps(planned, baseline_of(planned))
    if task.spec.is_unlabelled:
        check_unlabelled(source, task, planned)
    _check_family(made)
    _check_head(made)
    return made.with_steps(numbered(planned))


def _task_of(source: Source, faults: list[str]) -> Task | None:
    """The task, resolved; the model's name is looked at too."""
    task: Task | None = None
    try:
        task = resolve(source.recipe.task, source.place)
    except RecipeError as error:
        faults.extend(error.faults)
    try:
        models.check_name(source.recipe.model)
    except AxkitError as error:
        faults.append(f"{source.place(('model',))}: {error}")
    return task


def _steps(source: Source, bare: Plan | None, faults: list[str]) -> tuple[PlannedStep, ...]:
    """The passes, numbered as in the recipe. Those for a model without a head are not looked at where this one has it;
    whether it does is asked once all else is right, as the model may have to be downloaded for it."""
    passes = source.recipe.passes
    waiting = [index for index, step in enumerate(passes) if step.when == "no_head"]
    found = [configured(source, index, faults) for index in range(len(passes)) if index not in waiting]
    if waiting and bare is not None and not faults:
        if bare.head is None:
            found += [configured(source, index, faults) for index in waiting]
        elif len(waiting) == len(passes):
            faults.append(f"{source.place(('passes',))}: nothing is left to do without {'; '.join(bare.left_out)}")
    return tuple(sorted((step for step in found if step is not None), key=lambda step: step.index))


def _check_family(plan: Plan) -> None:
    faults = []
    family = plan.family
    models.check_reader(plan.model_folder)
    kind = plan.task.spec.kind
    if family.inputs != kind_of(kind).inputs:
        said = {"tokens": "text", "pixels": "images"}
        raise RecipeError(
            f"{plan.source.place(('model',))}: '{plan.recipe.model}' reads {said[family.inputs]}, and task "
            f"'{plan.task.name}' ({kind}) is of {said[kind_of(kind).inputs]}; give a model or a task that fits"
        )
    if plan.origin is not None:
        _check_origin(plan, plan.origin)
    for step in plan.steps:
        try:
            for one in (step, *step.inner.values()):
                with fence.answering(one.who, "failed in its check", one.is_ours):
                    one.runner.check(family, one.config)
                    one.runner.check_model(family, plan.model_config, one.config)
                    named = one.runner.models(one.config)
                for name in named:
                    models.check_teacher(plan.model_folder, name)
        except AxkitError as error:
            faults.append(f"{plan.source.place(('passes', step.index, 'pass'))}: '{step.name}': {error}")
    if faults:
        raise RecipeError(faults)


def _check_origin(plan: Plan, origin: Origin) -> None:
    """A result of axkit goes on where its trail ended: with the traits that are left, and with its own head."""
    place, target = plan.source.place, plan.recipe.target
    faults = [f"{place(('passes', step.index, 'pass'))}: {fault}" for step, fault in origin.order_faults(plan.steps)]
    for name, made in origin.runners.items():
        if made.targets is not None and target.kind not in made.targets:
            faults.append(
                f"{plan.source.place(('model',))}: '{name}' made '{origin.model}' to run on "
                f"{' and '.join(sorted(made.targets))} alone, and the target is {target.device}; start from a model "
                f"before that"
            )
    if plan.head is None and is_own(plan.model_config):
        faults.append(
            f"{plan.source.place(('model',))}: '{origin.model}' goes on with the head that it was made with, which is "
            f"of another kind than task '{plan.task.name}'; give a task of that kind, or start from the model before"
        )
    if faults:
        raise RecipeError(faults)


def _check_head(plan: Plan) -> None:
    """A checkpoint that brings a head must bring the task's labels; one without needs a pass that trains."""
    if plan.head is not None or plan.task.spec.is_unlabelled:
        _ = plan.rows.label_names  # reading them holds them against the head (tasks/naming.py)
        return
    if not any(step.runner.trains for step in plan.steps):
        raise RecipeError(
            f"{plan.source.place(('model',))}: '{plan.recipe.model}' has no trained head for the task; "
            f"start the recipe with a pass that trains, such as finetune"
        )
    _check_teacher(plan)


def _check_teacher(plan: Plan) -> None:
    """Without a head and without a leading training the dense model knows nothing that could be learned from it."""
    for step in plan.steps:
        if not plan.baseline and step.needs_dense:
            what = "a teacher, the dense model of the run" if "teacher" in step.needs else "the dense model of the run"
            raise RecipeError(
                f"{plan.source.place(('passes', step.index, 'pass'))}: '{step.name}' needs {what}, and "
                f"'{plan.recipe.model}' has no trained head for the task; start the recipe with a pass "
                f"such as finetune, or with a model that is trained"
            )
