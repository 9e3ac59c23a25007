"""What a plan says, as a type: ``axkit plan`` prints it, in words or as JSON. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from axkit.checkpoint.sources import count_parameters
from axkit.contract.passes import Gain
from axkit.run.control import foreseen
from axkit.run.forecast import Forecast
from axkit.run.noise import doubts
from axkit.run.outlook import Outlook
from axkit.run.planning import Plan
from axkit.run.steps import PlannedStep, along


@dataclass(frozen=True)
class PassPlan:
    """A pass that would run.

    Attributes:
        index: in the recipe, from 0.
        name: of the pass.
        source: the distribution that it comes from.
        settings: all of them, resolved.
        changed: those that are not the default.
        max_drop: points that the stage may cost; None: any.
        ends: traits that it takes away.
    """

    index: int
    name: str
    source: str
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    max_drop: float | None
    ends: tuple[str, ...]

    @classmethod
    def of(cls, step: PlannedStep) -> PassPlan:
        """Of a step."""
        config = step.config
        changed = config.model_dump(mode="json", exclude_defaults=True)
        budget = None if step.budget is None else step.budget.max_drop
        settings, ends = config.model_dump(mode="json"), tuple(sorted(step.runner.ends))
        return cls(step.index, step.name, step.distribution, settings, changed, budget, ends)


@dataclass(frozen=True)
class ModelPlan:
    """The model that a plan starts from.

    Attributes:
        name: as the recipe has it.
        model_type: its architecture.
        parameters: numbers that it stores.
    """

    name: str
    model_type: str
    parameters: int


@dataclass(frozen=True)
class TaskPlan:
    """The task of a plan, as it was read.

    Attributes:
        name: of the task.
        kind: of it.
        metric: that decides.
        rows: of each split.
        label_names: in the order of the model's outputs.
        labels_from: where names and order come from, in words.
    """

    name: str
    kind: str
    metric: str
    rows: Mapping[str, int]
    label_names: tuple[str, ...]
    labels_from: str


@dataclass(frozen=True)
class Expected:
    """What all passes together may come to, as far as it is known beforehand.

    Attributes:
        gain: speed and size.
        not_foreseen: passes of which nothing is known.
    """

    gain: Gain
    not_foreseen: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> Expected:
        """Of the passes of a plan."""
        found = [(step.name, gain) for step, _, gain in along(plan.steps, plan.given.workload())]
        unknown = tuple(name for name, gain in found if gain is None)
        return cls(_together([gain or Gain() for _, gain in found]), unknown)

    def told(self) -> str:
        """In a sentence; empty where nothing is known of it."""
        if self.gain == Gain():
            return ""
        rest = f"; not foreseen: {', '.join(self.not_foreseen)}" if self.not_foreseen else ""
        speed, size = _range(self.gain.speed), _range(self.gain.size)
        return f"expected {speed} the throughput, {size} smaller, by targets and bits; the run measures{rest}"


@dataclass(frozen=True)
class PlanRecord:
    """A recipe against a model, a task and the installed passes; nothing was run.

    Attributes:
        name: of the recipe.
        model: that it starts from.
        task: as it was read.
        passes: in order.
        measured_against: the pass that leaves the dense model; None: the model as it comes.
        notes: what is known beforehand, in sentences.
        forecasts: of each search.
        expected: what may come of it.
        outlook: time, memory and disk; None where the model's config leaves its sizes to defaults.
    """

    name: str
    model: ModelPlan
    task: TaskPlan
    passes: tuple[PassPlan, ...]
    measured_against: int | None
    notes: tuple[str, ...]
    forecasts: tuple[Forecast, ...]
    expected: Expected
    outlook: Outlook | None

    @classmethod
    def of(cls, plan: Plan) -> PlanRecord:
        """Of a plan; reads the rows where that was not done before."""
        rows, spec, forecasts = plan.rows, plan.task.spec, plan.forecasts()
        sizes: dict[str, int] = {name: len(split) for name, split in rows.splits.items()}
        model_type, values = str(plan.model_config.get("model_type")), count_parameters(plan.model_folder)
        return cls(
            name=plan.recipe.name,
            model=ModelPlan(plan.recipe.model, model_type, values),
            task=TaskPlan(plan.task.name, spec.kind, spec.metric_name, sizes, rows.label_names, rows.naming),
            passes=tuple(map(PassPlan.of, plan.steps)),
            measured_against=plan.baseline - 1 if plan.baseline else None,
            notes=(*notes_of_input(plan), *_notes_of_steps(plan, forecasts)),
            forecasts=forecasts,
            expected=Expected.of(plan),
            outlook=Outlook.of(plan),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        outlook = None if self.outlook is None else self.outlook.to_json()
        return {**asdict(self), "forecasts": [one.to_json() for one in self.forecasts], "outlook": outlook}


def notes_of_input(plan: Plan) -> Iterator[str]:
    """Passes that the model needs no more, rows that stand in two splits, budgets of less than the rows can tell."""
    yield from (f"left out: {one}" for one in plan.left_out)
    for (here, there), count in plan.rows.overlaps.items():
        yield f"{count} {there} rows also stand in {here}"
    yield from doubts(plan)


def foretold(plan: Plan) -> Iterator[tuple[PlannedStep, str]]:
    """What each pass knows beforehand of how this will end."""
    work = plan.given.workload()
    for step in plan.steps:
        for told in step.foresee(work):
            yield step, told


def _together(gains: Sequence[Gain]) -> Gain:
    def product(ranges: Sequence[tuple[float, float | None]]) -> tuple[float, float | None]:
        most = [high for _, high in ranges]
        known = [high for high in most if high is not None]
        return math.prod(low for low, _ in ranges), math.prod(known) if len(known) == len(most) else None

    return Gain(product([one.speed for one in gains]), product([one.size for one in gains]))


def _range(found: tuple[float, float | None]) -> str:
    low, high = found
    if high is None:
        return f"{low:.2g} times or more"
    return f"{low:.2g} times" if low == high else f"{low:.2g} to {high:.2g} times"


def _notes_of_steps(plan: Plan, forecasts: Sequence[Forecast]) -> Iterator[str]:
    for step, told in foretold(plan):
        yield f"{step.index} {step.name}: {told}"
    for one in forecasts:
        if one.warning():
            yield f"{one.step} {one.name}: {one.warning()}"
    control = foreseen(plan)
    if control:
        yield control
