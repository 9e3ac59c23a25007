"""What a sweep runs: every combination of recipe, task and seed, all faults at once. Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from axkit.ground.device import AUTO
from axkit.ground.errors import AxkitError, RecipeError
from axkit.run.control import control_of
from axkit.run.keys import stage_keys, stage_names
from axkit.run.planning import Plan, plan
from axkit.run.recipe import load_source
from axkit.tasks.spec import resolve
from axkit.tasks.task_file import names_task_file, opened

STAGES = ".stages"


@dataclass(frozen=True)
class Wanted:
    """What the caller asked for.

    Attributes:
        recipes: paths.
        tasks: registered names, or paths of YAML files that hold a task; empty: each recipe's own.
        seeds: empty: each recipe's own.
        settings: overrides of every recipe, ``path=value``.
        out: the sweep's folder.
        device: where passes compute, as ``--device`` says it; each run finds it on its own machine.
    """

    recipes: Sequence[str]
    tasks: Sequence[str] = ()
    seeds: Sequence[int] = ()
    settings: Sequence[str] = ()
    out: str = "runs/sweep"
    device: str = AUTO


@dataclass(frozen=True)
class Written:
    """A recipe as it is read again where the run is made.

    Attributes:
        text: of the recipe file.
        label: the file's name.
        overrides: applied to the text in order: settings, task, seed.
        place: the folder that the recipe's relative paths are seen from.
    """

    text: str
    label: str
    overrides: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True)
class PlannedRun:
    """One combination, checked; plain values alone, so that another process can run it.

    Attributes:
        recipe: name.
        task: short name, as in the run folder's path.
        model: as in the recipe.
        seed: of the run.
        written: the recipe itself.
        folder: of the run.
        store: the folder of stages that the sweep's runs share.
        key: of everything that goes into the run; a finished run with the same one is kept.
        stages: the names of its stage folders, the model as it comes first.
        device: where its passes compute.
    """

    recipe: str
    task: str
    model: str
    seed: int
    written: Written
    folder: str
    store: str
    key: str
    stages: tuple[str, ...]
    device: str = AUTO

    @property
    def name(self) -> str:
        """For people: recipe, task, seed."""
        return f"{self.recipe} on {self.task}, seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, written: Mapping[str, Any], **plain: Any) -> PlannedRun:
        """The inverse; its values by name."""
        return cls(written=Written(**written), **plain)


@dataclass(frozen=True)
class _Task:
    name: str  # as in the run folder's path
    override: tuple[str, ...]  # of the recipe; none for its own


def plan_sweep(wanted: Wanted) -> list[PlannedRun]:
    """Check every combination; nothing is trained.

    Raises:
        RecipeError: with all faults of all combinations.
    """
    faults: list[str] = []
    _refuse_doubles(wanted, faults)
    tasks: list[_Task | None] = []
    for one in wanted.tasks:
        with _collecting(faults):
            tasks.append(_read_task(one))
    runs: list[PlannedRun] = []
    for recipe in wanted.recipes:
        for task in tasks or [None]:
            with _collecting(faults):
                runs += _plan_pair(recipe, task, wanted)
    _refuse_same_folders(runs, faults)
    if faults:
        raise RecipeError(list(dict.fromkeys(faults)))
    return runs


@contextmanager
def _collecting(faults: list[str]) -> Iterator[None]:
    try:
        yield
    except RecipeError as error:
        faults += error.faults
    except AxkitError as error:
        faults.append(str(error))


def _refuse_doubles(wanted: Wanted, faults: list[str]) -> None:
    for what, given in (("recipe", wanted.recipes), ("task", wanted.tasks), ("seed", wanted.seeds)):
        for one in dict.fromkeys(given):
            if list(given).count(one) > 1:
                faults.append(f"{what} {one} is given twice; name it once")


def _read_task(wanted: str) -> _Task:
    """A registered name, or the path of a file with a task mapping."""
    task, place = opened(wanted, lambda _: "--task")
    resolve(task, place)
    name = Path(wanted).stem if names_task_file(wanted) else wanted
    return _Task(_short(name), (f"task={json.dumps(task)}",))


def _short(name: str) -> str:
    """As a folder: ``glue/sst2`` is ``glue-sst2``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _plan_pair(recipe: str, task: _Task | None, wanted: Wanted) -> list[PlannedRun]:
    """The runs of a recipe on a task; the rows are read once for all seeds."""
    source = load_source(recipe, (*wanted.settings, *(task.override if task else ())))
    own = source.recipe.task
    task_name = task.name if task else _short(own if isinstance(own, str) else "own")
    try:
        made = plan(source)
        keys = {seed: stage_keys(made, seed) for seed in wanted.seeds or (source.recipe.seed,)}
    except RecipeError:
        raise
    except AxkitError as error:
        raise AxkitError(f"{source.label} on {task_name}: {error}") from error
    return [
        PlannedRun(
            recipe=source.recipe.name,
            task=task_name,
            model=source.recipe.model,
            seed=seed,
            written=Written(source.text, source.label, (*source.overrides, f"seed={seed}"), source.folder),
            folder=str(Path(wanted.out) / source.recipe.name / task_name / str(seed)),
            store=str(Path(wanted.out) / STAGES),
            key=found[-1],
            stages=(*stage_names(made, found), *_of_control(made, seed)),
            device=wanted.device,
        )
        for seed, found in keys.items()
    ]


def _of_control(made: Plan, seed: int) -> list[str]:
    """The stages of a control that the recipe asks for, beyond those that it shares."""
    control = control_of(made).plan
    if control is None or made.recipe.control is not True:
        return []
    return stage_names(control, stage_keys(control, seed))[1 + made.baseline :]


def _refuse_same_folders(runs: Sequence[PlannedRun], faults: list[str]) -> None:
    seen: dict[str, PlannedRun] = {}
    for run in runs:
        other = seen.setdefault(run.folder, run)
        if other is not run:
            faults.append(
                f"{other.written.label} and {run.written.label} would both write {run.folder}; give the recipes "
                f"different names, and the task files too"
            )
