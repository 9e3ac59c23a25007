"""A pass as a recipe has it, with its settings checked and the passes that it runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from axkit.contract.described import refuse_if_missing
from axkit.contract.lending import check_words
from axkit.contract.passes import InnerStep
from axkit.contract.registered import Registered, load_pass
from axkit.ground import fence
from axkit.ground.errors import AxkitError, NotApplicable
from axkit.ground.plain.tree import Location
from axkit.ground.wording import fault_sentence
from axkit.run.recipe import Budget, Source
from axkit.run.steps import PlannedStep


def configured(source: Source, index: int, faults: list[str]) -> PlannedStep | None:
    """One pass of a recipe.

    Args:
        source: the recipe.
        index: of the pass in it, from 0.
        faults: those of the pass come to it.

    Returns:
        The step; None where its name or its settings are none.
    """
    step = source.recipe.passes[index]
    return _planned(source, index, ("passes", index), step.name, step.settings, step.budget, faults)


def _planned(
    source: Source,
    index: int,
    at: Location,
    name: str,
    settings: Mapping[str, Any],
    budget: Budget | None,
    faults: list[str],
) -> PlannedStep | None:
    try:
        loaded = load_pass(name)
        with fence.answering(loaded.entry.who, "cannot be planned", loaded.entry.is_ours, passing=(ValidationError,)):
            step = _configured(index, loaded, settings, budget)
    except ValidationError as error:
        for fault in error.errors():
            where = source.place((*at, *fault["loc"]))
            faults.append(fault_sentence(fault, loaded.pass_class.Config, where, f"pass '{name}'"))
        return None
    except AxkitError as error:
        faults.append(f"{source.place((*at, 'pass'))}: {error}")
        return None
    inner: dict[str, PlannedStep] = {}
    for setting, value in step.config:
        if not isinstance(value, InnerStep):
            continue
        found = _planned(source, index, (*at, setting), value.name, value.settings, None, faults)
        if found is not None and not found.runner.trains:
            faults.append(
                f"{source.place((*at, setting, 'pass'))}: '{setting}' takes a pass that trains, such as distill"
            )
        elif found is not None:
            inner[setting] = found
    return replace(step, inner=inner)


def _configured(index: int, loaded: Registered, settings: Mapping[str, Any], budget: Budget | None) -> PlannedStep:
    """The step without what it runs itself; asks the class all that planning will ask of it."""
    entry = loaded.entry
    refuse_if_missing(entry.name, loaded.pass_class, entry.distribution)
    for name in loaded.pass_class.each:
        if isinstance(settings.get(name), list):
            raise NotApplicable(
                f"'{name}' lists several numbers, which makes a family of models, one for each: run it by axkit apply, "
                f"or axkit.apply_each, or give one number"
            )
    own = loaded.pass_class.holds_budget
    if budget is not None and own is not None and settings.get(own) is None:
        settings = {**settings, own: budget.max_drop}
    ready = loaded.with_settings(settings)
    step = PlannedStep(index, entry.name, entry.distribution, ready.runner, ready.config, budget)
    for named in (step.requires, step.needs, step.runner.ends):
        if not isinstance(named, frozenset | set) or not all(isinstance(one, str) for one in named):
            raise TypeError(f"needs, requires and ends are sets of words, not {named!r}")
    check_words(step.who, step.own_needs)
    return step
