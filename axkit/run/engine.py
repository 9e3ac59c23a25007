"""Plan to Run: load, apply each pass, measure each stage, judge it by its budget, keep what is finished."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from axkit.contract.subject import Subject
from axkit.ground.device import AUTO, Device, exact_floats
from axkit.ground.errors import NotApplicable, storing
from axkit.ground.processes import Processes, current
from axkit.ground.progress import Progress, Silent
from axkit.ground.writable import check_writable
from axkit.run.comparing import Compared, Tested, beside_control, compare
from axkit.run.control import Control, control_of, wanted
from axkit.run.each import Point, plan_each
from axkit.run.finished import FinishedStages
from axkit.run.journal import Stage
from axkit.run.loading import load
from axkit.run.looked import Looked
from axkit.run.looking import look_at, without_right
from axkit.run.planning import Plan, plan
from axkit.run.quality import ControlFound, ControlRecord
from axkit.run.recipe import Recipe, Source
from axkit.run.stages import Workbench
from axkit.run.store import StageStore
from axkit.run.summary import Summary
from axkit.run.totals import summary_of
from axkit.run.walk import Walk
from axkit.tasks.about import About


@dataclass(frozen=True)
class Run:
    """A finished recipe, in memory; ``axkit.report.write_run`` makes the folder of it.

    Attributes:
        plan: what was run.
        subject: the result.
        stages: in order.
        summary: the figures of the report; None in a process that stands by while another measures.
        about: goes into axkit.json: task, labels, token lengths.
        key: of everything that went in: versions, model, rows, seed, passes.
        answers: of the dense model and the result to the test rows; None likewise.
    """

    plan: Plan
    subject: Subject
    stages: list[Stage]
    summary: Summary | None
    about: About
    key: str = ""
    answers: Looked | None = None

    @property
    def tokenizer(self) -> Any:
        """The former name of ``subject.reader``."""
        warnings.warn("run.tokenizer is run.subject.reader now: use that", DeprecationWarning, stacklevel=2)
        return self.subject.reader


def apply(
    recipe: Recipe | Source | Plan,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    fresh: bool = False,
    stages: str | Path | None = None,
    device: str | Device = AUTO,
) -> Run:
    """Run a recipe.

    Args:
        recipe: a Recipe, or what ``axkit.plan`` made of it.
        runs: finished stages are kept under ``runs/.stages``; a later call with the same recipe goes on from them.
        progress: told what is going on.
        fresh: do not use finished stages.
        stages: a folder instead of ``runs/.stages`` that other runs use too, perhaps at the same time: what one has
            finished the others reuse, and nothing is dropped from it.
        device: where passes compute: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. What the result is timed and cut for
            is the recipe's ``target``.

    Raises:
        AxkitError: bad input, or a folder that cannot be written, told before anything is read; finished stages stay.
    """
    root = Path(stages) if stages else stages_of(runs, name_of(recipe))
    if current().is_main:
        check_writable(root / "stage")
    made = recipe if isinstance(recipe, Plan) else plan(recipe)
    with _job([made], root, bool(stages), progress, fresh, device) as job:
        run = _run(made, job)
        job.finished.tidy()
        return run


def apply_each(
    recipe: Recipe | Source | Sequence[Point],
    runs: str | Path = "runs",
    progress: Progress | None = None,
    fresh: bool = False,
    device: str | Device = AUTO,
    skip: Collection[str] = (),
) -> Iterator[tuple[Point, Run]]:
    """Run a recipe that lists targets: one model after the other, the first number first.

    What the models have in common is done once: the stages before the pass with the list, and what that pass leaves
    for the next one. Each is what the recipe with its one number would have left.

    Args:
        recipe: with one setting that lists several numbers, such as ``speedup: [1.5, 2, 3]``; or the points that
            ``axkit.run.each.plan_each`` made of it.
        runs: as with ``apply``.
        progress: likewise.
        fresh: likewise.
        device: likewise.
        skip: labels of points that are there already; their stages are kept.

    Yields:
        Each point and its run, as soon as it is finished; whoever does not want to hold all models lets them go.

    Raises:
        AxkitError: as ``apply``; a recipe that lists nothing.
    """
    points = plan_each(recipe) if isinstance(recipe, Recipe | Source) else recipe
    root = stages_of(runs, points[0].family)
    if current().is_main:
        check_writable(root / "stage")
    with _job([one.plan for one in points], root, False, progress, fresh, device) as job:
        for one in points:  # before the first is made: what an interrupted run has left of the others is kept
            job.finished.used.update(one.stages)
        for one in points:
            if one.label not in skip:
                yield one, _run(one.plan, job)
        job.finished.tidy()


def walked(
    made: Plan,
    stages: str | Path,
    progress: Progress | None = None,
    device: str | Device = AUTO,
    common: dict[str, Any] | None = None,
) -> Walk:
    """Go through the stages of a plan, and ask the test split nothing: for whoever decides between recipes.

    Args:
        made: what is gone through.
        stages: as with ``apply``.
        progress: told what is going on.
        device: as with ``apply``.
        common: what passes leave for the other plans of the same model and rows (``Tools.common``).

    Raises:
        AxkitError: as ``apply``.
    """
    if current().is_main:
        check_writable(Path(stages) / "stage")
    with _job([made], Path(stages), True, progress, False, device) as job:
        walk = (job if common is None else replace(job, common=common)).walk(made)
        walk.go()
        return walk


@contextmanager
def _job(
    plans: Sequence[Plan], root: Path, shared: bool, progress: Progress | None, fresh: bool, device: str | Device
) -> Iterator[_Job]:
    """What is shared by the walks of plans, with their turn held; rows are read, and what is not there is refused."""
    from axkit.ground.cpu import machine_key

    processes, told = current(), progress or Silent()
    where = device if isinstance(device, Device) else Device.of(device)
    for made in plans:
        made.recipe.target.here()  # before anything is read: what is not there cannot be timed
    store = StageStore(root, shared, machine_key(processes.count, where.title), told)
    for made in plans:
        made.read()
    turn = store.in_turn() if processes.is_main else nullcontext()
    with turn, storing(root, full_only=True), exact_floats(where):
        yield _Job(FinishedStages(store, processes, told, fresh), told, processes, where)


@contextmanager
def in_turn(runs: str | Path, name: str, progress: Progress | None = None) -> Iterator[None]:
    """Hold the turn of a recipe under ``runs``: for ``apply``, and for writing what it gives, in one.

    Another process with the same two waits, and is told for whom. Of processes started together one holds it.
    """
    store = StageStore(stages_of(runs, name), progress=progress or Silent())
    with store.in_turn() if current().is_main else nullcontext():
        yield


def name_of(recipe: Recipe | Source | Plan) -> str:
    """What a recipe is called."""
    return recipe.name if isinstance(recipe, Recipe) else recipe.recipe.name


def stages_of(runs: str | Path, name: str) -> Path:
    """Where the stages of a recipe are kept."""
    return Path(runs) / ".stages" / name


@dataclass(frozen=True)
class _Job:
    """What the walks of a run share.

    Attributes:
        finished: where stages are kept.
        progress: told what is going on.
        processes: this one, or those started together.
        device: where passes compute.
        common: what passes leave for other models of the same recipe (``Tools.common``).
    """

    finished: FinishedStages
    progress: Progress
    processes: Processes
    device: Device
    common: dict[str, Any] = field(default_factory=dict)

    def walk(self, made: Plan) -> Walk:
        """A plan at its start: model, reader and rows are opened."""
        loaded = load(made, self.progress)
        bench = Workbench(made, loaded.readings, self.progress, self.processes, self.device, common=self.common)
        if made.task.spec.is_unlabelled:
            with bench.scoring(loaded.subject):
                loaded = replace(loaded, readings=loaded.readings.answered(loaded.subject, self.progress))
            bench.readings = loaded.readings
        return Walk.of(made, loaded, bench, self.finished, self.progress)


def _run(made: Plan, job: _Job) -> Run:
    start = time.perf_counter()
    walk = job.walk(made)
    subject = walk.go()
    compared = _compared(walk, subject) if job.processes.is_main else None
    control, came = _control(walk, job, compared), _as_it_came(walk, compared)
    summary = summary_of(walk, subject, compared, start, control, came) if compared else None
    answers = look_at(made.task.spec.kind, made.rows.splits["test"], *compared.answers) if compared else None
    if answers is not None and made.task.spec.is_unlabelled:
        answers = without_right(answers)
    return Run(made, subject, walk.stages, summary, walk.about, walk.keys[-1], answers)


def _compared(walk: Walk, subject: Subject) -> Compared:
    dense, labels = walk.bench.dense, walk.readings.rows["train"].labels
    assert dense is not None, "set before or by the leading passes"
    walk.progress.say("Measuring on the test split, which nothing has seen")
    dense_test, test = (walk.readings.by(one.reader)["test"] for one in (dense, subject))
    with walk.bench.scoring(dense, subject):
        before = Tested.of(dense.body, dense_test, walk.progress)
        after = Tested.of(subject.body, test, walk.progress)
    return compare(before, after, labels, walk.progress, walk.plan.recipe.target)


def _as_it_came(walk: Walk, compared: Compared | None) -> ControlFound | None:
    """A model that was ready for the task, and that the recipe trains first: how it did before that."""
    if compared is None or not walk.plan.baseline or walk.plan.head is None:
        return None
    again = load(walk.plan, walk.progress)  # nobody has kept it
    subject, test = again.subject, again.readings.by(again.subject.reader)["test"]
    with walk.bench.scoring(subject):
        return beside_control(test.evaluate(subject.body, progress=walk.progress), test, compared)


def _control(walk: Walk, job: _Job, compared: Compared | None) -> ControlRecord:
    """The same training without the cuts, through the same store: the stages that the two share are made once."""
    found = control_of(walk.plan)
    if found.plan is None:
        return found.record()
    asked = wanted(found, walk.plan.recipe.control, compared.quality) if compared else Control()
    if not job.processes.largest(int(asked.plan is not None)):  # the process that measured decides for all
        return asked.record()
    job.progress.say("Control: the same training without the cuts")
    walk.let_go()
    start = time.perf_counter()
    other = job.walk(found.plan)
    try:
        subject = other.go()
    except NotApplicable as error:
        return Control(why=f"the training does not apply without the cuts ({error})").record()
    if compared is None:
        return Control().record()
    rows = other.readings.by(subject.reader)["test"]
    with walk.bench.scoring(subject):
        answers = rows.evaluate(subject.body)
    figures = beside_control(answers, rows, compared)
    return found.record(replace(figures, wall_s=time.perf_counter() - start))
