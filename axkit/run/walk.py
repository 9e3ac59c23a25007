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
from axkit.run.records import Standing
from axkit.run.remarks import Before, line, noted
from axkit.run.stages import Workbench
from axkit.run.steps import PlannedStep
from axkit.run.time_left import left_of


@dataclass(frozen=True)
class Dense:
    """The model that a run is measured against.

    Attributes:
        subject: with a reader of its own.
        search: how it does on the search split.
        bytes: on disk.
        stage: the folder that keeps it.
    """

    subject: Subject
    search: Standing
    bytes: int
    stage: str


@dataclass
class Walk:
    """One way through a plan.

    Attributes:
        plan: what is walked.
        loaded: what it starts from.
        bench: where passes are applied.
        finished: where stages are kept.
        progress: told how each stage ended.
        keys: of the model as it comes, and of each stage.
        stages: that have been gone through.
        dense: None until there is one.
    """

    plan: Plan
    loaded: Loaded
    bench: Workbench
    finished: FinishedStages
    progress: Progress
    keys: list[str]
    stages: list[Stage] = field(default_factory=list)
    dense: Dense | None = None

    @classmethod
    def of(cls, plan: Plan, loaded: Loaded, bench: Workbench, finished: FinishedStages, progress: Progress) -> Walk:
        """At its start; reads the rows, for the keys."""
        return cls(plan, loaded, bench, finished, progress, stage_keys(plan))

    def go(self) -> Subject:
        """All stages, made or found."""
        subject = self.loaded.subject
        before: Standing | None = None
        if not self.plan.baseline:
            folder = self.finished.folder(-1, "dense", self.keys[0])
            size = self.finished.dense(folder, subject, self.loaded.about)
            before = self._measured_against(subject, self.bench.on_search(subject), size, folder.name)
        for step in self.plan.steps:
            subject, before = self._stage(step, subject, before)
        return subject

    def _stage(self, step: PlannedStep, subject: Subject, before: Standing | None) -> tuple[Subject, Standing]:
        finished, folder = self.finished, self.finished.folder(step.index, step.name, self.keys[step.index + 1])
        journal, scratch = finished.store.journal(folder), finished.store.scratch(folder)
        said = f"{step.index + 1}. {step.name}"
        with finished.turn(folder):
            after, record = finished.found_or_made(
                folder,
                said,
                subject,
                self.loaded.about,
                lambda: self.bench.make(step, subject, before, journal, scratch),
            )
            written = journal.read()
        record = noted(record, self._previous(), step.runner.trains)
        left = left_of(self.plan.steps[step.index + 1 :], self.plan.given.workload(), record)
        self.progress.say(f"   {line(record)}{f' ({left.told()})' if left else ''}")
        self.stages.append(Stage(record, written))
        if step.index + 1 == self.plan.baseline:
            self._measured_against(after, record.search, record.bytes, folder.name)
        self.loaded.readings.keep(after.reader, *([self.dense.subject.reader] if self.dense else []))
        return after, record.search

    def _measured_against(self, subject: Subject, search: Standing, size: int, stage: str) -> Standing:
        self.dense, self.bench.dense = Dense(subject, search, size, stage), subject
        return search

    def _previous(self) -> Before:
        """What a stage is compared with: the stage before, or the dense model."""
        if self.stages:
            return Before.of(self.stages[-1].record)
        return Before.of_dense(self.dense.bytes, self.dense.search) if self.dense else Before.of_dense(0, None)
