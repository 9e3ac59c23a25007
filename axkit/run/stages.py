"""One stage of a run: a pass is applied, what it made is measured and judged by its budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axkit.contract.lending import lent
from axkit.contract.reader import Reader
from axkit.contract.result import Result
from axkit.contract.subject import Subject, TrailStep
from axkit.contract.teacher import Teacher
from axkit.contract.tools import Journal, Tools
from axkit.ground import fence
from axkit.ground.device import Device, enough_memory
from axkit.ground.processes import Processes
from axkit.ground.progress import Progress
from axkit.measure import speed as measure
from axkit.measure.inputs import Inputs
from axkit.run import obligations as contract
from axkit.run import results
from axkit.run.keys import inner_name
from axkit.run.planning import Plan
from axkit.run.readings import Readings
from axkit.run.records import Applied, Spent, StageRecord, StageSpeed, Standing, Told
from axkit.run.remarks import undone
from axkit.run.start import Start
from axkit.run.steps import PlannedStep
from axkit.run.surroundings import Surroundings

_WAY = "give a smaller batch_size, lower samples or max_length, or --device cpu"
STAGE_ROUNDS = 3  # of the interleaved timing after each stage; the final comparison takes measure.ROUNDS


def _serves(targets: frozenset[str] | None, device: Device) -> bool:
    return targets is None or device.kind in targets


@dataclass
class Workbench:
    """What the stages of a run share.

    Attributes:
        plan: what is run.
        readings: the rows, as each subject's reader makes them.
        progress: told what is going on.
        processes: this one, or those started together.
        device: where passes compute.
        dense: the model that the run is measured against; None until there is one.
        memo: what passes leave for later ones (``Tools.memo``).
        common: for other models of the same recipe (``Tools.common``).
    """

    plan: Plan
    readings: Readings
    progress: Progress
    processes: Processes
    device: Device
    dense: Subject | None = None
    memo: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)

    def on_search(self, subject: Subject) -> Standing:
        """How a subject does on the search split."""
        with self.scoring(subject):
            found = self.readings.by(subject.reader)["search"].evaluate(subject.body, progress=self.progress)
        return Standing(found.score, found.loss)

    @contextmanager
    def scoring(self, *subjects: Subject) -> Iterator[None]:
        """Models on the device while their answers are asked for; one that computes otherwise there stays away."""
        served = {name: made.targets for name, made in self.plan.origin.runners.items()} if self.plan.origin else {}
        served |= {step.name: step.runner.targets for step in self.plan.steps}
        there = [one for one in subjects if all(_serves(served.get(step.name), self.device) for step in one.trail)]
        with (
            enough_memory(self.device, "lower samples or max_length, or --device cpu"),
            self.device.holding(*(one.module for one in there if one.has_module)),
        ):
            yield

    def make(
        self, step: PlannedStep, start: Start, before: Standing | None, journal: Journal, scratch: Path
    ) -> tuple[Subject, StageRecord]:
        """Apply a pass to a copy.

        Args:
            step: the pass.
            start: the subject that it starts from.
            before: how that does, where it is known.
            journal: of the stage.
            scratch: of the stage (``Tools.scratch``).

        Returns:
            What it made (the subject itself where the stage was undone), and its record without ``bytes``.
        """
        import torch

        config = step.config.model_dump(mode="json")
        began = time.perf_counter()
        if step.budget is not None and before is None:
            with start.lent() as subject:
                before = self.on_search(subject)
        torch.manual_seed(self.plan.recipe.seed + step.index)
        worked = start.copied(undoes=step.budget is not None)
        result = self._held(step, worked, self._lend(step, worked.reader, journal, scratch))
        seconds = time.perf_counter() - began
        worked.passed(TrailStep(step.name, step.distribution, config, result.state, result.facts))
        after = self.on_search(worked)
        told, over = Told(result.note, result.facts, result.tables), False
        if step.budget is not None and before is not None and before.score - after.score > step.budget.max_drop:
            told, over = undone(told, before.score - after.score, step.budget.max_drop), True
            del worked  # before the one that it came from is there again
            worked, after = start.again(), before
        record = StageRecord(
            applied=Applied(step.index, step.name, step.distribution, config),
            told=told,
            search=after,
            values=worked.body.values(),
            structure=worked.structure,
            speed=self._speed(worked),
            spent=Spent(seconds, measure.peak_memory_bytes(), self.device.peak_bytes() or None),
            undone=over,
            new_tokenizer=worked.reader is not start.reader,
        )
        return worked, record

    def _held(self, step: PlannedStep, worked: Subject, tools: Tools) -> Result:
        """What a pass gives back, held against its contract."""
        dense = self.dense.module if self.dense is not None and step.needs_dense else None  # else it is not lent
        mark = None if dense is None else contract.Mark.of(dense)
        learned, wide, had_module = contract.learning(worked), contract.widest(worked), worked.has_module
        switches = Surroundings.of()
        with fence.working(step.who), enough_memory(self.device, _WAY):
            result = step.runner.apply(worked, step.config, tools)
        contract.hold(step.who, contract.body_faults(worked, step.runner, had_module))
        contract.settle(worked)
        contract.hold(step.who, results.result_faults(result))
        contract.take_reader(step.who, result, worked)
        if mark is not None:
            contract.hold(step.who, mark.faults(dense))
        contract.hold(step.who, switches.faults())
        contract.hold(step.who, contract.subject_faults(worked, step.runner, learned, wide))
        contract.hold(step.who, contract.reader_faults(worked.reader, tools.reader, step.runner))
        if result.state is None:
            contract.hold(step.who, contract.structure_faults(worked))
        return result

    def _lend(self, step: PlannedStep, reader: Reader, journal: Journal, scratch: Path) -> Tools:
        """What a pass is lent; the passes that it runs itself are lent what they declare."""
        runs: Counter[str] = Counter()

        def run(subject: Subject, setting: str) -> Mapping[str, float]:
            inner = step.inner_of(setting)
            there = inner_name(setting, subject.structure)
            runs[there] += 1
            tools = self._lend(inner, subject.reader, journal, scratch / f"{there}-{runs[there]}")
            with fence.working(inner.who):
                result = inner.runner.apply(subject, inner.config, tools)
            contract.hold(inner.who, results.result_faults(result))
            contract.take_reader(inner.who, result, subject)
            return result.facts

        splits = self.readings.by(reader)
        everything = Tools(
            train=splits["train"],
            search=splits["search"],
            teacher=Teacher.of(self.dense) if self.dense is not None else None,
            dense_search=self.readings.by(self.dense.reader)["search"] if self.dense is not None else None,
            reader=reader,
            model_folder=str(self.plan.model_folder),
            seed=self.plan.recipe.seed,
            progress=self.progress,
            journal=journal,
            memo=self.memo,
            common=self.common,
            run=run,
            processes=self.processes,
            scratch=scratch,
            device=self.device,
            target=self.plan.recipe.target,
        )
        return lent(everything, step.who, step.own_needs)

    def _speed(self, subject: Subject) -> StageSpeed | None:
        """Beside the dense model, in turn; alone as long as there is none. Other processes wait meanwhile."""
        if not self.processes.is_main:
            return None
        subjects = {**({"dense": self.dense} if self.dense is not None else {}), "stage": subject}
        target, rows = self.plan.recipe.target, {name: self.readings.by(one.reader) for name, one in subjects.items()}
        inputs = {name: Inputs.of(splits["search"], size=target.batch) for name, splits in rows.items()}
        models = {name: one.body for name, one in subjects.items()}
        speeds = measure.speed(models, inputs, STAGE_ROUNDS, self.progress, target)
        return StageSpeed.of(speeds["stage"], speeds.get("dense"))
