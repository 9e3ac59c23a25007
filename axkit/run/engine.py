"""Plan to Run: load, apply each pass, measure each stage, judge it by its budget, keep what is finished."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axkit.contract.subject import Subject
from axkit.ground.device import AUTO, Device, exact_floats
from axkit.ground.errors import NotApplicable, storing
from axkit.ground.processes import Processes, current
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT
from axkit.ground.writable import check_writable
from axkit.measure import speed as measure
from axkit.run.control import Control, control_of, wanted
from axkit.run.keys import of_any_machine, stage_keys, stage_name
from axkit.run.planning import Plan, plan
from axkit.run.recipe import Recipe, Source
from axkit.run.records import Stage, StageRecord, Standing
from axkit.run.remarks import Before, line, noted
from axkit.run.stage_file import read_stage
from axkit.run.stages import Workbench
from axkit.run.steps import PlannedStep
from axkit.run.store import StageStore
from axkit.run.summary import Compared, beside_control, compare
from axkit.runtimes.torch.body import torch_subject
from axkit.runtimes.torch.opening import fit_padding, open_for_task, open_reader, token_limit
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.known import KINDS


@dataclass(frozen=True)
class Run:
    """A finished recipe, in memory; ``axkit.report.write_run`` makes the folder of it.

    Attributes:
        plan: what was run.
        subject: the result.
        tokenizer: the model's; its image reader where it reads pixels.
        stages: in order.
        summary: the figures of the report.
        about: goes into axkit.json: task, labels, token lengths.
        key: of everything that went in: versions, model, rows, seed, passes.
    """

    plan: Plan
    subject: Subject
    tokenizer: Any
    stages: list[Stage]
    summary: dict[str, Any]
    about: dict[str, Any]
    key: str = ""


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
        recipe: a Recipe, or what :func:`axkit.plan` made of it.
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
    from axkit.ground.cpu import machine_key

    processes, told = current(), progress or Silent()
    where = device if isinstance(device, Device) else Device.of(device)
    root = Path(stages) if stages else stages_of(runs, name_of(recipe))
    if processes.is_main:
        check_writable(root / "stage")
    made = recipe if isinstance(recipe, Plan) else plan(recipe)
    made.recipe.target.here()  # before anything is read: what is not there cannot be timed
    store = StageStore(root, bool(stages), machine_key(processes.count, where.title), told)
    made.read()
    turn = store.in_turn() if processes.is_main else nullcontext()
    with turn, storing(root, full_only=True), exact_floats(where):
        return _Engine(made, store, told, processes, fresh, where).run()


@contextmanager
def in_turn(runs: str | Path, name: str, progress: Progress | None = None) -> Iterator[None]:
    """Hold the turn of a recipe under ``runs``: for :func:`apply`, and for writing what it gives, in one.

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


class _Engine:
    def __init__(
        self,
        made: Plan,
        store: StageStore,
        progress: Progress,
        processes: Processes,
        fresh: bool,
        device: Device,
    ) -> None:
        self.start = time.perf_counter()
        self.plan, self.progress, self.fresh = made, progress, fresh
        self.store, self.device = store, device
        self.kind = KINDS[made.task.spec.kind]
        self.used: set[str] = set()
        self.made: set[Path] = set()  # in this call: fresh enough for its control
        self.dense_bytes, self.dense_stage = 0, ""
        self.dense_search: Standing | None = None
        self.stages: list[Stage] = []
        self.processes = processes

    def run(self) -> Run:
        subject = self.walk()
        compared = self._compare(subject) if self.processes.is_main else None
        control = self._control(compared)
        summary = {**self._summary(compared), "control": control} if compared else {}
        if self.processes.is_main and not self.store.shared:
            self.store.keep_only(self.used)
        self.processes.wait()
        return Run(self.plan, subject, self.bench.tokenizer, self.stages, summary, self.about, self.keys[-1])

    def walk(self) -> Subject:
        """All stages, made or found."""
        self._load()
        subject = self.initial
        before: Standing | None = None
        if not self.plan.baseline:
            self.bench.dense, self.dense_bytes = subject, self._measure_bytes(subject)
            before = self.dense_search = self.bench.on_search(subject)
        for step in self.plan.steps:
            subject, before = self._stage(step, subject, before)
            if step.index + 1 == self.plan.baseline:
                record = self.stages[-1].record
                self.bench.dense, self.dense_bytes = subject, record.bytes
                self.dense_search = before
                self.dense_stage = self._folder(step.index, step.name, self.keys[step.index + 1]).name
        return subject

    def _control(self, compared: Compared | None) -> dict[str, Any]:
        """The same training without the cuts, through the same store: the stages that the two share are made once."""
        found = control_of(self.plan)
        if found.plan is None:
            return found.to_json()
        asked = wanted(found, self.plan.recipe.control, compared.figures) if compared else Control()
        if not self.processes.largest(int(asked.plan is not None)):  # the process that measured decides for all
            return asked.to_json()
        self.progress.say("Control: the same training without the cuts")
        other = _Engine(found.plan, self.store, self.progress, self.processes, self.fresh, self.device)
        other.used, other.made = self.used, self.made
        try:
            subject = other.walk()
        except NotApplicable as error:
            return Control(why=f"the training does not apply without the cuts ({error})").to_json()
        if compared is None:
            return {}
        with self.bench.scoring(subject):
            figures = beside_control(subject.body, other.bench.splits["test"], compared)
        return {**found.to_json(), **figures, "wall_s": time.perf_counter() - other.start}

    def _load(self) -> None:
        made = self.plan
        rows = made.rows
        self.progress.say(f"Loading {made.recipe.model} and {made.task.name}")
        tokenizer = open_reader(made.model_folder, made.family)
        outputs = rows_of(made.task.spec.kind).outputs(rows.label_names)
        module = open_for_task(made.model_folder, self.kind, outputs, rows.label_names, made.recipe.seed)
        fit_padding(module, tokenizer, made.family)
        limit = token_limit(tokenizer, module.config, made.family)
        self.bench = Workbench(made, tokenizer, limit, self.progress, self.processes, self.device)
        self.dense_test = self.bench.splits["test"]
        self.about = {
            "recipe": made.recipe.name,
            "task": made.recipe.task,
            "kind": made.task.spec.kind,
            "samples": made.recipe.samples.model_dump(exclude_none=True),
            "label_names": list(rows.label_names),
            "token_lengths": self.dense_test.lengths[:96].tolist(),  # for timing where the data is not at hand
        }
        self.initial = torch_subject(module, made.family, reader=tokenizer)
        self.keys = stage_keys(made)

    def _stage(self, step: PlannedStep, subject: Subject, before: Standing | None) -> tuple[Subject, Standing]:
        folder = self._folder(step.index, step.name, self.keys[step.index + 1])
        self.processes.wait()  # all see the same finished stages
        with self.store.alone(folder) if self.processes.is_main else nullcontext():
            self.processes.wait()
            subject, record = self._find_or_make(step, subject, before, folder)
            written = self.store.journal(folder).read()
        record = noted(record, self._previous(), step.runner.trains)
        self.progress.say(f"   {line(record)}")
        self.stages.append(Stage(record, written))
        return subject, record.search

    def _folder(self, index: int, name: str, key: str) -> Path:
        self.used.add(of_any_machine(stage_name(index, name, key, "")))
        return self.store.folder(index, name, key)

    def _find_or_make(
        self, step: PlannedStep, subject: Subject, before: Standing | None, folder: Path
    ) -> tuple[Subject, StageRecord]:
        """A stage as it is on disk, whether it was finished earlier or just now: then it makes no difference which."""
        found = None if self.fresh and folder not in self.made else self._find(folder)
        said = f"{step.index + 1}. {step.name}"
        if found is None:
            self.progress.say(said)
            if self.processes.is_main:
                self.store.begin(folder, self.fresh)
            self.processes.wait()
            journal, scratch = self.store.journal(folder), self.store.scratch(folder)
            subject, record = self.bench.make(step, subject, before, journal, scratch)
            self._put(folder, subject, record)
            self.made.add(folder)
            found = self.store.get(folder)
        else:
            self.progress.say(f"{said}: finished earlier, reused")
            found = found[0], replace(found[1], reused=True)
        subject, record = found
        if record.new_tokenizer:
            self.bench.tokenize(open_reader(folder, self.plan.family))
        return subject, record

    def _find(self, folder: Path) -> tuple[Subject, StageRecord] | None:
        """One process looks, for it may set a damaged stage aside; the others see what it left."""
        found = self.store.find(folder) if self.processes.is_main else None
        self.processes.wait()
        return found if self.processes.is_main else self.store.find(folder)

    def _put(self, folder: Path, subject: Subject, record: StageRecord) -> None:
        """Keep a stage; one process writes, all read what it wrote."""
        if self.processes.is_main:
            self.store.put(folder, subject, self.bench.tokenizer, record, self.about)
        self.processes.wait()

    def _previous(self) -> Before:
        """What a stage is compared with: the stage before, or the dense model."""
        if self.stages:
            return Before.of(self.stages[-1].record)
        return Before.of_dense(self.dense_bytes, self.dense_search)

    def _measure_bytes(self, subject: Subject) -> int:
        folder = self._folder(-1, "dense", self.keys[0])
        self.dense_stage = folder.name
        with self.store.alone(folder) if self.processes.is_main else nullcontext():
            again = self.fresh and folder not in self.made
            if self.processes.is_main and (again or self.store.known(folder) is None):
                self.store.put(folder, subject, self.bench.tokenizer, None, self.about)
            self.made.add(folder)
            self.processes.wait()
            return read_stage(folder).bytes

    def _compare(self, subject: Subject) -> Compared:
        assert self.bench.dense is not None, "set before or by the leading passes"
        self.progress.say("Measuring on the test split, which nothing has seen")
        labels = self.plan.rows.splits["train"].labels
        tests = (self.dense_test, self.bench.splits["test"])
        models = self.bench.dense.body, subject.body
        with self.bench.scoring(self.bench.dense, subject):
            answers = [test.evaluate(model, progress=self.progress) for model, test in zip(models, tests, strict=True)]
        return compare(*models, *tests, answers, labels, self.progress, self.plan.recipe.target)

    def _where(self) -> dict[str, Any]:
        """On what it was computed, and for what timed, where that is not the CPU's plain way."""
        target = self.plan.recipe.target
        found: dict[str, Any] = {} if target == DEFAULT else {"target": target.model_dump()}
        if not self.device.is_cpu:
            found |= {"device": self.device.title, "peak_device_memory_bytes": self.device.peak_bytes()}
        return found

    def _summary(self, compared: Compared) -> dict[str, Any]:
        assert self.dense_search is not None, "set before or by the leading passes"
        here = time.perf_counter() - self.start
        reused = sum(stage.record.spent.wall_s for stage in self.stages if stage.record.reused)
        return {
            **compared.figures,
            "dense_is_untrained": not self.plan.baseline and self.plan.head is None,
            "dense_stage": self.dense_stage,
            "dense_is_result": self.plan.baseline == len(self.plan.steps),
            "metric_search_dense": self.dense_search.score,
            "metric_search_result": self.stages[-1].record.search.score,
            "loss_search_dense_nats": self.dense_search.loss_nats,
            "loss_search_result_nats": self.stages[-1].record.search.loss_nats,
            "bytes_dense": self.dense_bytes,
            "bytes_result": self.stages[-1].record.bytes,
            "wall_s": here + reused,
            "wall_this_run_s": here,
            "peak_memory_bytes": measure.peak_memory_bytes(),
            **self._where(),
            "processes": self.processes.count,
            "rows": {name: len(split) for name, split in self.bench.splits.items()},
            "rows_truncated": {name: split.at_limit for name, split in self.bench.splits.items()},
            "test_rows_also_in_train_or_search": self.plan.rows.overlap,
            "rows_also_in_another_split": {
                f"{there} in {here}": count for (here, there), count in self.plan.rows.overlaps.items()
            },
            "label_names": list(self.plan.rows.label_names),
        }
