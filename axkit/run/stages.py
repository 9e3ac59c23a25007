"""One stage of a run: a pass is applied, what it made is measured and judged by its budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.contract.lending import lent
from axkit.contract.result import Result
from axkit.contract.subject import Subject, TrailStep
from axkit.contract.teacher import Teacher
from axkit.contract.tools import Journal, Tools
from axkit.ground import fence
from axkit.ground.device import CPU, Device, device_of, enough_memory
from axkit.ground.processes import Processes
from axkit.ground.progress import Progress
from axkit.measure import speed as measure
from axkit.run import obligations as contract
from axkit.run.planning import Plan
from axkit.run.records import stage_record, undo
from axkit.run.steps import PlannedStep
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.split import Split

_WAY = "give a smaller batch_size, or lower samples or max_length"
STAGE_ROUNDS = 3  # of the interleaved timing after each stage; the final comparison takes measure.ROUNDS


@dataclass(frozen=True)
class Standing:
    """How a model does on the search split.

    Attributes:
        score: of the metric that decides.
        loss: nats.
    """

    score: float
    loss: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Standing:
        """Of a stage, by its record."""
        return cls(record["metric_search"], record["loss_search_nats"])


def _serves(targets: frozenset[str] | None, device: Device) -> bool:
    return targets is None or device.kind in targets


class Workbench:
    """What the stages of a run share.

    Attributes:
        plan: what is run.
        tokenizer: of the model as it is now; its image reader where it reads pixels.
        splits: the rows, as that tokenizer makes them.
        limit: tokens that the model takes.
        dense: the model that the run is measured against; None until there is one.
        dense_search: the search rows as its tokenizer makes them, which is the one that the run starts with.
        memo: what passes leave for later ones (``Tools.memo``).
        device: where passes compute.
    """

    def __init__(
        self, plan: Plan, tokenizer: Any, limit: int, progress: Progress, processes: Processes, device: Device
    ) -> None:
        self.plan, self.limit, self.progress, self.processes = plan, limit, progress, processes
        self.device = device
        self.dense: Subject | None = None
        self.memo: dict[str, Any] = {}
        self.tokenize(tokenizer)
        self.dense_search = self.splits["search"]

    def tokenize(self, tokenizer: Any) -> None:
        """The splits for the model's tokenizer, or for the one that a pass left."""
        self.tokenizer = tokenizer
        spec = self.plan.task.spec
        self.splits = {
            name: Split(part, spec, KINDS[spec.kind], tokenizer, self.limit)
            for name, part in self.plan.rows.splits.items()
        }

    def on_search(self, subject: Subject) -> Standing:
        """How a subject does on the search split."""
        with self.scoring(subject):
            found = self.splits["search"].evaluate(subject.module, progress=self.progress)
        return Standing(found.score, found.loss)

    @contextmanager
    def scoring(self, *subjects: Subject) -> Iterator[None]:
        """Models on the device while their answers are asked for; one that computes otherwise there stays away."""
        served = {step.name: step.runner.targets for step in self.plan.steps}
        there = [one for one in subjects if all(_serves(served.get(step.name), self.device) for step in one.trail)]
        with (
            enough_memory(self.device, "lower samples or max_length"),
            self.device.holding(*(one.module for one in there)),
        ):
            yield

    def make(
        self, step: PlannedStep, subject: Subject, before: Standing | None, journal: Journal, scratch: Path
    ) -> tuple[Subject, dict[str, Any]]:
        """Apply a pass to a copy.

        Args:
            step: the pass.
            subject: left as it is.
            before: how it does, where that is known.
            journal: of the stage.
            scratch: of the stage (``Tools.scratch``).

        Returns:
            What it made (the subject itself where the stage was undone), and its record without ``bytes``.
        """
        import torch

        config = step.config.model_dump(mode="json")
        start = time.perf_counter()
        torch.manual_seed(self.plan.recipe.seed + step.index)
        worked = subject.copy()
        result = self._held(step, worked, self._lend(step, journal, scratch))
        seconds = time.perf_counter() - start
        worked.module.eval()
        worked.passed(TrailStep(step.name, step.distribution, config, result.state, result.facts))
        if step.budget is not None:
            before = before or self.on_search(subject)
        tokenizer = self.tokenizer
        if result.tokenizer is not None:
            self.tokenize(result.tokenizer)
        after = self.on_search(worked)
        record = stage_record(step, config, result, seconds)
        if step.budget is not None and before is not None and before.score - after.score > step.budget.max_drop:
            undo(record, before.score - after.score, step.budget.max_drop)
            worked, after = subject, before
            if result.tokenizer is not None:
                self.tokenize(tokenizer)
        return worked, record | self._measured(worked, after)

    def _held(self, step: PlannedStep, worked: Subject, tools: Tools) -> Result:
        """What a pass gives back, held against its contract."""
        dense = self.dense.module if self.dense is not None and step.needs_dense else None  # else it is not lent
        mark = None if dense is None else contract.Mark.of(dense)
        learned = contract.learning(worked)
        with fence.working(step.who), enough_memory(self.device, _WAY):
            result = step.runner.apply(worked, step.config, tools)
        if device_of(worked.module) != CPU:
            worked.module.to(CPU.name)
        contract.hold(step.who, contract.result_faults(result))
        if mark is not None:
            contract.hold(step.who, mark.faults(dense))
        contract.hold(step.who, contract.subject_faults(worked, step.runner, learned))
        if result.state is None:
            contract.hold(step.who, contract.structure_faults(worked))
        return result

    def _lend(self, step: PlannedStep, journal: Journal, scratch: Path) -> Tools:
        """What a pass is lent; the passes that it runs itself are lent what they declare."""
        runs: Counter[str] = Counter()

        def run(subject: Subject, setting: str) -> Mapping[str, float]:
            inner = step.inner_of(setting)
            runs[setting] += 1
            tools = self._lend(inner, journal, scratch / f"{setting}-{runs[setting]}")
            with fence.working(inner.who):
                result = inner.runner.apply(subject, inner.config, tools)
            contract.hold(inner.who, contract.result_faults(result))
            return result.facts

        everything = Tools(
            train=self.splits["train"],
            search=self.splits["search"],
            teacher=Teacher.of(self.dense) if self.dense is not None else None,
            dense_search=self.dense_search,
            reader=self.tokenizer,
            model_folder=str(self.plan.model_folder),
            seed=self.plan.recipe.seed,
            progress=self.progress,
            journal=journal,
            memo=self.memo,
            run=run,
            processes=self.processes,
            scratch=scratch,
            device=self.device,
            target=self.plan.recipe.target,
        )
        return lent(everything, step.who, step.own_needs)

    def _measured(self, subject: Subject, after: Standing) -> dict[str, Any]:
        return {
            "metric_search": after.score,
            "loss_search_nats": after.loss,
            "parameters": measure.count_values(subject.module),
            "structure": subject.structure.to_json(),
            **self._speed(subject),
            "peak_memory_bytes": measure.peak_memory_bytes(),
            **({"peak_device_memory_bytes": peak} if (peak := self.device.peak_bytes()) else {}),
        }

    def _speed(self, subject: Subject) -> dict[str, float]:
        """Beside the dense model, in turn; alone as long as there is none. Other processes wait meanwhile."""
        if not self.processes.is_main:
            return {}
        dense = {"dense": self.dense.module} if self.dense is not None else {}
        inputs = {"stage": measure.Inputs.of(self.splits["search"]), "dense": measure.Inputs.of(self.dense_search)}
        speeds = measure.speed({**dense, "stage": subject.module}, inputs, STAGE_ROUNDS, self.progress)
        found = speeds["stage"].to_json()
        if dense:
            found["latency_b1_ms_p50_dense"] = speeds["dense"].latency_b1_ms_p50
            found["throughput_b32_per_s_dense"] = speeds["dense"].throughput_b32_per_s
            found["throughput_ratio"] = found["throughput_b32_per_s"] / speeds["dense"].throughput_b32_per_s
        return found
