"""A recipe that lists targets is a family of recipes: one for each number, all else alike. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from axkit.contract.registered import load_pass
from axkit.ground.errors import AxkitError, RecipeError
from axkit.run.keys import stage_keys, stage_names
from axkit.run.planning import Plan, plan
from axkit.run.recipe import Recipe, Source, Step


@dataclass(frozen=True)
class Point:
    """One model of a family, planned.

    Attributes:
        family: name of the recipe.
        label: names it, and its folder: ``1.5x``; ``size-1.5x`` where it is another setting than the speed.
        setting: of the pass, that lists several numbers.
        value: the one of this model.
        plan: of the recipe with this number alone.
    """

    family: str
    label: str
    setting: str
    value: float
    plan: Plan

    @cached_property
    def keys(self) -> list[str]:
        """Of its stages (``axkit.run.keys.stage_keys``); reads the rows."""
        return stage_keys(self.plan)

    @property
    def stages(self) -> list[str]:
        """The names of its stages' folders, without the machine."""
        return stage_names(self.plan, self.keys)


@dataclass(frozen=True)
class _Listed:
    index: int  # of the pass
    setting: str
    values: list[Any]


def is_family(recipe: Recipe) -> bool:
    """Whether a recipe lists targets, in a setting that takes several."""
    return next(_lists(recipe), None) is not None


def plan_each(recipe: Recipe | Source) -> tuple[Point, ...]:
    """Check a recipe once for each number that it lists.

    Raises:
        RecipeError: with all faults; it lists nothing, or in two settings, or numbers that do not rise.
    """
    source = recipe if isinstance(recipe, Source) else Source(recipe, recipe.model_dump_json(by_alias=True), "recipe")
    lists = list(_lists(source.recipe))
    if not lists:
        raise RecipeError(f"{source.label}: no setting lists several targets; take axkit.apply, which makes one model")
    listed = lists[0]
    at = source.place(("passes", listed.index, listed.setting))
    if len(lists) > 1:
        other = source.place(("passes", lists[1].index, lists[1].setting))
        raise RecipeError(
            f"{other}: '{lists[1].setting}' lists several numbers, and so does '{listed.setting}' in {at}; a family of "
            f"models has one list, so give one number here"
        )
    values = _rising(listed, at)
    return tuple(_point(source, listed, value) for value in values)


def _lists(recipe: Recipe) -> Iterator[_Listed]:
    for index, step in enumerate(recipe.passes):
        for setting in _each_of(step) if any(isinstance(value, list) for value in step.settings.values()) else ():
            value = step.settings.get(setting)
            if isinstance(value, list):
                yield _Listed(index, setting, value)


def _each_of(step: Step) -> tuple[str, ...]:
    """The settings of a pass that take several numbers; none where there is no such pass: planning says so."""
    try:
        return load_pass(step.name).pass_class.each
    except AxkitError:
        return ()


def _rising(listed: _Listed, at: str) -> list[float]:
    """The numbers; whether each may be had is asked when it is planned."""
    values = [float(one) for one in listed.values if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(values) < len(listed.values) or not values or any(a >= b for a, b in pairwise(values)):
        raise RecipeError(
            f"{at}: '{listed.setting}' lists numbers that rise, each of them once, as [1.5, 2, 3]; write it so"
        )
    return values


def _point(source: Source, listed: _Listed, value: float) -> Point:
    label = f"{'' if listed.setting == 'speedup' else f'{listed.setting}-'}{value:g}x"
    recipe, name = source.recipe, f"{source.recipe.name}-{label}"
    if len(name) > 100:
        raise RecipeError(f"{source.place(('name',))}: '{name}' would be longer than 100 characters; shorten the name")
    steps = list(recipe.passes)
    steps[listed.index] = steps[listed.index].model_copy(update={listed.setting: value})
    one = replace(
        source,
        recipe=recipe.model_copy(update={"name": name, "passes": tuple(steps)}),
        overrides=(*source.overrides, f"name={name}", f"passes.{listed.index}.{listed.setting}={value:g}"),
    )
    return Point(recipe.name, label, listed.setting, value, plan(one))
