"""The walk of a recipe: from the model as it comes through one stage after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from axkit.contract.subject import Subject
from axkit.ground.progress import Progress
from axkit.run.finished import FinishedStages
from axkit.run.journal import Stage
from axkit.run.keys import stage_keys
from axkit.run.loading import Loaded
from axkit.run.planning import Plan
from axkit.run.readings import Readings
from axkit.run.records import Standing
from axkit.run.remarks import Before, line, noted
from axkit.run.stages import Workbench
from axkit.run.start import Start
from axkit.run.steps import PlannedStep
from axkit.run.time_left import left_of
from axkit.runtimes.folder import load_subject
from axkit.tasks.about import About


@dataclass(frozen=True)
class Dense:
    """The model that a run is measured against.

    The model itself is with the stages (``Workbench.dense``).

    Attributes:
        search: how it does on the search split.
        bytes: on disk.
        stage: the folder that keeps it.
    """

    search: Standing
    bytes: int
    stage: str


@dataclass
class Walk:
    """One way through a plan.

    Attributes:
        plan: what is walked.
        readings: the rows.
        about: of the run, for manifests.
        now: the model as it is; it changes hands while a stage is made, so that nobody keeps an older one alive.
        bench: where passes are applied.
        finished: where stages are kept.
        progress: told how each stage ended.
        keys: of the model as it comes, and of each stage.
        stages: that have been gone through.
        dense: None until there is one.
    """

    plan: Plan
    readings: Readings
    about: About
    now: Subject
    bench: Workbench
    finished: FinishedStages
    progress: Progress
    keys: list[str]
    stages: list[Stage] = field(default_factory=list)
    dense: Dense | None = None

    @classmethod
    def of(cls, plan: Plan, loaded: Loaded, bench: Workbench, finished: FinishedStages, progress: Progress) -> Walk:
        """At its start; reads the rows, for the keys."""
        start = loaded.readings, loaded.about, loaded.subject
        return cls(plan, *start, bench, finished, progress, stage_keys(plan))

    def go(self) -> Subject:
        """All stages, made or found."""
        before: Standing | None = None
        if not self.plan.baseline:
            folder = self.finished.folder(-1, "dense", self.keys[0])
            size = self.finished.dense(folder, self.now, self.about)
            before = self._measured_against(self.now, self.bench.on_search(self.now), size, folder.name)
        for step in self.plan.steps:
            before = self._stage(step, before)
        return self.now

    def let_go(self) -> None:
        """Of the dense model, once it is measured, and of what was made of it."""
        self.bench.dense = None
        self.bench.memo.clear()

    def _stage(self, step: PlannedStep, before: Standing | None) -> Standing:
        finished, folder = self.finished, self.finished.folder(step.index, step.name, self.keys[step.index + 1])
        journal, scratch = finished.store.journal(folder), finished.store.scratch(folder)
        said = f"{step.index + 1}. {step.name}"
        start = self._start(step)
        with finished.turn(folder):
            after, record = finished.found_or_made(
                folder, said, start, self.about, lambda: self.bench.make(step, start, before, journal, scratch)
            )
            written = journal.read()
        record = noted(record, self._previous(), step.runner.trains)
        left = left_of(self.plan.steps[step.index + 1 :], self.plan.given.workload(), record)
        self.progress.say(f"   {line(record)}{f' ({left.told()})' if left else ''}")
        self.stages.append(Stage(record, written))
        if step.index + 1 == self.plan.baseline:
            self._measured_against(after, record.search, record.bytes, folder.name)
        self.now = after
        self.readings.keep(after.reader, *([self.bench.dense.reader] if self.bench.dense else []))
        return record.search

    def _start(self, step: PlannedStep) -> Start:
        """The model as it is, handed over; it is had again from the folder of the stage before."""
        now = self.now
        del self.now
        if now is self.bench.dense:
            return Start(now, lambda: now)
        if not step.index:
            return Start(now, None)
        folder = self.finished.folder(step.index - 1, self.plan.steps[step.index - 1].name, self.keys[step.index])
        return Start(now, lambda: load_subject(folder))

    def _measured_against(self, subject: Subject, search: Standing, size: int, stage: str) -> Standing:
        self.dense, self.bench.dense = Dense(search, size, stage), subject
        return search

    def _previous(self) -> Before:
        """What a stage is compared with: the stage before, or the dense model."""
        if self.stages:
            return Before.of(self.stages[-1].record)
        return Before.of_dense(self.dense.bytes, self.dense.search) if self.dense else Before.of_dense(0, None)
