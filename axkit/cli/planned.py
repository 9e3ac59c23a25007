"""What ``axkit plan`` prints. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from axkit.checkpoint.sources import count_parameters
from axkit.ground.errors import DeviceError
from axkit.ground.figures import quantity
from axkit.ground.target import DEFAULT
from axkit.run.control import foreseen
from axkit.run.outlook import Outlook
from axkit.run.plan_record import Expected, foretold, notes_of_input
from axkit.run.planning import Plan
from axkit.tasks.labels.shown import shortened, shown_labels, shown_rows


def show_plan(plan: Plan, console: Console) -> None:
    """What would run: model, data, stages; nothing is trained."""
    outlook = Outlook.of(plan)
    for line in (*_model_and_task(plan), *_rows(plan), *_notes_of_input(plan)):
        console.print(line, highlight=False, markup=False)
    console.print(_steps(plan, outlook))
    dense = f"the model after pass {plan.baseline - 1}" if plan.baseline else "the model as it comes"
    for line in (*_outlook(outlook), *_notes_of_steps(plan), f"Measured against {dense}. Nothing was trained."):
        console.print(line, highlight=False, markup=False)


def _model_and_task(plan: Plan) -> Iterator[str]:
    recipe, rows, values = plan.recipe, plan.rows, count_parameters(plan.model_folder)
    spec, metric = plan.task.spec, plan.task.spec.told(plan.task.spec.metric_name)
    sizes = ", ".join(f"{len(split)} {name}" for name, split in rows.splits.items())
    labels = f"; labels {shortened(', '.join(rows.label_names), 400)}" if rows.label_names else ""
    yield f"model  {recipe.model}: {plan.model_config['model_type']}, {quantity(values / 1e6, 2)} M parameters"
    yield f"task   {plan.task.name}: {spec.kind}, {metric}; {sizes}{labels}"
    if plan.origin is not None and plan.origin.trail:
        yield f"made   by {', '.join(step.name for step in plan.origin.trail)}; what these ended stays ended"
    if recipe.target != DEFAULT:
        yield f"target {recipe.target.told()}"
        try:
            recipe.target.here()
        except DeviceError as error:  # a plan may be looked at elsewhere than where it is run
            yield f"warning axkit apply will refuse this on this machine: {error}"


def _rows(plan: Plan) -> Iterator[str]:
    for line in shown_rows(plan.task.spec, plan.rows):
        yield f"row    {line}"
    for name, counts in shown_labels(plan.task.spec, plan.rows).items():
        yield f"{name:<6} {counts}"
    if plan.task.spec.is_unlabelled:
        yield "labels none: the dense model's own answers stand in their place, and every score is agreement with them"
    if plan.rows.naming:
        yield f"labels {plan.rows.naming}"


def _notes_of_input(plan: Plan) -> Iterator[str]:
    if _pads_left(plan.model_folder):
        yield "note   the tokenizer pads on the left; axkit pads on the right, and saves it so"
    for note in notes_of_input(plan):
        yield f"note   {note}"


def _steps(plan: Plan, outlook: Outlook | None) -> Table:
    table = Table("", "pass", "settings", "budget", "ends", "time")
    times = {} if outlook is None else {one.step: one.told for one in outlook.stages}
    for step in plan.steps:
        changed = step.config.model_dump(exclude_defaults=True)
        settings = "\n".join(f"{key}: {value}" for key, value in changed.items()) or "all as by default"
        budget = f"at most {step.budget.max_drop:g} points" if step.budget else ""
        ends, taken = ", ".join(sorted(step.runner.ends)), times.get(step.index, "")
        table.add_row(str(step.index), step.name, settings, budget, ends, taken)
    return table


def _outlook(outlook: Outlook | None) -> Iterator[str]:
    if outlook is None:
        return
    for what, told in outlook.told():
        yield f"{what:<6} {told}"
    for told in outlook.warnings():
        yield f"warning {told}"


def _notes_of_steps(plan: Plan) -> Iterator[str]:
    expected = Expected.of(plan).told()
    if expected:
        yield f"gain   {expected}"
    for step, told in foretold(plan):
        yield f"note   {step.index} {step.name}: {told}"
    for one in plan.forecasts():
        yield f"note   {one.step} {one.name}: {one.told()}"
        if one.warning():
            yield f"warning {one.step} {one.name}: {one.warning()}"
    control = foreseen(plan)
    if control:
        yield f"note   {control}"


def _pads_left(folder: Path) -> bool:
    """Whether a tokenizer_config.json says so; one that is damaged is told of elsewhere."""
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("padding_side") == "left")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
