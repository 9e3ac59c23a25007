"""A plan's model, opened with its reader and its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from axkit.contract.subject import Subject
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT
from axkit.run.planning import Plan
from axkit.run.readings import Readings
from axkit.runtimes.folder import load_to_work
from axkit.runtimes.limits import token_limit
from axkit.runtimes.torch.body import torch_subject
from axkit.runtimes.torch.opening import fit_padding, open_for_task, open_reader
from axkit.tasks.about import About
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.known import KINDS


@dataclass(frozen=True)
class Loaded:
    """What a run starts from.

    Attributes:
        subject: the model as it comes.
        readings: the rows.
        about: goes into axkit.json: task, labels, token lengths.
    """

    subject: Subject
    readings: Readings
    about: About


def load(plan: Plan, progress: Progress) -> Loaded:
    """Open model, reader and rows.

    Raises:
        AxkitError: what the plan could not see without loading them.
    """
    progress.say(f"Loading {plan.recipe.model} and {plan.task.name}")
    reader = open_reader(plan.model_folder, plan.family)
    subject = replace(_as_it_was_left(plan) if plan.goes_on else _for_task(plan), reader=reader)
    fit_padding(subject.module, reader, plan.family)
    readings = Readings(plan, token_limit(reader, subject.module.config, plan.family))
    return Loaded(subject, readings, _about(plan, readings.by(reader)["test"].lengths[:96].tolist()))


def _for_task(plan: Plan) -> Subject:
    """A model of anybody's, in float32; a head that it lacks is drawn."""
    kind, names = KINDS[plan.task.spec.kind], plan.rows.label_names
    outputs = rows_of(plan.task.spec.kind).outputs(names)
    subject = torch_subject(open_for_task(plan.model_folder, kind, outputs, names, plan.recipe.seed), plan.family)
    return replace(subject, trail=plan.origin.trail) if plan.origin else subject


def _as_it_was_left(plan: Plan) -> Subject:
    """A result of axkit, bit by bit, with its structure and its trail; the labels have the task's names."""
    subject, names = load_to_work(plan.model_folder), plan.rows.label_names
    config = subject.module.config
    config.problem_type = KINDS[plan.task.spec.kind].about.problem_type
    if names:
        config.id2label, config.label2id = dict(enumerate(names)), {name: i for i, name in enumerate(names)}
    return subject


def _about(plan: Plan, lengths: list[int]) -> About:
    return About(
        recipe=plan.recipe.name,
        task=plan.recipe.task,
        kind=plan.task.spec.kind,
        samples=plan.recipe.samples,
        label_names=tuple(plan.rows.label_names),
        token_lengths=tuple(lengths),
        target=None if plan.recipe.target == DEFAULT else plan.recipe.target,
    )
