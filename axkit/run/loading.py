"""A plan's model, opened with its reader and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axkit.contract.subject import Subject
from axkit.ground.progress import Progress
from axkit.run.planning import Plan
from axkit.run.readings import Readings
from axkit.runtimes.torch.body import torch_subject
from axkit.runtimes.torch.opening import fit_padding, open_for_task, open_reader, token_limit
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
    about: dict[str, Any]


def load(plan: Plan, progress: Progress) -> Loaded:
    """Open model, reader and rows.

    Raises:
        AxkitError: what the plan could not see without loading them.
    """
    progress.say(f"Loading {plan.recipe.model} and {plan.task.name}")
    reader = open_reader(plan.model_folder, plan.family)
    kind, names = KINDS[plan.task.spec.kind], plan.rows.label_names
    module = open_for_task(
        plan.model_folder, kind, rows_of(plan.task.spec.kind).outputs(names), names, plan.recipe.seed
    )
    subject = torch_subject(module, plan.family, reader=reader)
    fit_padding(module, reader, plan.family)
    readings = Readings(plan, token_limit(reader, module.config, plan.family))
    return Loaded(subject, readings, _about(plan, readings.by(reader)["test"].lengths[:96].tolist()))


def _about(plan: Plan, lengths: list[int]) -> dict[str, Any]:
    return {
        "recipe": plan.recipe.name,
        "task": plan.recipe.task,
        "kind": plan.task.spec.kind,
        "samples": plan.recipe.samples.model_dump(exclude_none=True),
        "label_names": list(plan.rows.label_names),
        "token_lengths": lengths,  # for timing where the data is not at hand
    }
