"""Plan to Run: load, apply each pass, measure each stage, judge it by its budget, keep what is finished."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit import measure
from axkit.anatomy.surgery import dense_structure
from axkit.cache import StageStore, next_key
from axkit.passes import Tools
from axkit.planning import Plan, PlannedStep, plan
from axkit.progress import Progress, Silent
from axkit.recipe import Recipe, Source
from axkit.saving.opening import open_for_task, open_tokenizer, token_limit
from axkit.subject import Subject, TrailStep
from axkit.summary import compare
from axkit.tasks.kinds import KINDS
from axkit.tasks.split import Evaluation, Split

STAGE_ROUNDS = 3  # of the interleaved timing after each stage; the final comparison takes measure.ROUNDS


@dataclass(frozen=True)
class Stage:
    """What one pass did; ``record`` is the JSON of the report."""

    record: dict[str, Any]
    journal: list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """A finished recipe, in memory; ``axkit.report.write_run`` makes the folder of it.

    Attributes:
        plan: what was run.
        subject: the result.
        tokenizer: the model's.
        stages: in order.
        summary: the figures of the report.
        about: goes into axkit.json: task, labels, token lengths.
    """

    plan: Plan
    subject: Subject
    tokenizer: Any
    stages: list[Stage]
    summary: dict[str, Any]
    about: dict[str, Any]


def apply(
    recipe: Recipe | Source | Plan,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    fresh: bool = False,
) -> Run:
    """Run a recipe.

    Args:
        recipe: a Recipe, or what :func:`axkit.plan` made of it.
        runs: finished stages are kept under ``runs/.stages``; a later call with the same recipe goes on from them.
        progress: told what is going on.
        fresh: do not use finished stages.

    Raises:
        AxkitError: bad input; finished stages stay.
    """
    made = recipe if isinstance(recipe, Plan) else plan(recipe)
    return _Engine(made, Path(runs), progress or Silent(), fresh).run()


class _Engine:
    def __init__(self, made: Plan, runs: Path, progress: Progress, fresh: bool) -> None:
        self.start = time.perf_counter()
        self.plan, self.progress, self.fresh = made, progress, fresh
        self.store = StageStore(runs / ".stages" / made.recipe.name)
        self.kind = KINDS[made.task.spec.kind]
        self.used: set[Path] = set()
        self.dense: Subject | None = None
        self.dense_bytes = 0
        self.dense_metric: float | None = None
        self.stages: list[Stage] = []

    def run(self) -> Run:
        self._load()
        subject, key = self.initial, self.initial_key
        before: Evaluation | None = None
        if not self.plan.baseline:
            self._set_dense(subject, self._measure_bytes(subject))
            before = self._on_search(subject)
            self.dense_metric = before.score
        for step in self.plan.steps:
            subject, key, before = self._stage(step, subject, key, before)
            if step.index + 1 == self.plan.baseline:
                self._set_dense(subject, self.stages[-1].record["bytes"])
        summary = self._summary(subject)
        self.store.keep_only(self.used)
        return Run(self.plan, subject, self.tokenizer, self.stages, summary, self.about)

    def _load(self) -> None:
        made = self.plan
        rows = made.rows
        self.progress.say(f"Loading {made.recipe.model} and {made.task.name}")
        self.tokenizer = open_tokenizer(made.model_folder)
        outputs = self.kind.outputs(rows.label_names)
        module = open_for_task(made.model_folder, self.kind, outputs, rows.label_names, made.recipe.seed)
        self.limit = token_limit(self.tokenizer, module.config)
        self._tokenize()
        self.dense_test = self.splits["test"]
        self.about = {
            "recipe": made.recipe.name,
            "task": made.recipe.task,
            "samples": made.recipe.samples.model_dump(exclude_none=True),
            "label_names": list(rows.label_names),
            "token_lengths": self.splits["test"].lengths[:96].tolist(),  # for timing where the data is not at hand
        }
        self.initial = Subject(module, made.family, dense_structure(module, made.family))
        import torch
        import transformers

        from axkit import __version__

        versions = (__version__, torch.__version__, transformers.__version__)
        weights = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in made.model_folder.glob("*.safetensors")]
        self.initial_key = next_key(
            "",
            versions,
            str(made.model_folder),
            weights,
            rows.fingerprint,
            made.task.spec.model_dump(),
            made.recipe.seed,
        )

    def _tokenize(self, tokenizer: Any = None) -> None:
        """The splits for the run's tokenizer, or for the one that a pass left."""
        self.tokenizer = tokenizer or self.tokenizer
        spec = self.plan.task.spec
        self.splits = {
            name: Split(part, spec, self.kind, self.tokenizer, self.limit)
            for name, part in self.plan.rows.splits.items()
        }

    def _stage(
        self, step: PlannedStep, subject: Subject, key: str, before: Evaluation | None
    ) -> tuple[Subject, str, Evaluation | None]:
        config = step.config.model_dump(mode="json")
        budget = step.budget.model_dump() if step.budget else None
        key = next_key(key, step.name, step.distribution, config, budget)
        folder = self.store.folder(step.index, step.name, key)
        self.used.add(folder)
        journal = self.store.journal(step.index, step.name, key)
        found = None if self.fresh else self.store.find(folder)
        evaluation: Evaluation | None = None
        if found is not None:
            subject, record = found
            record["reused"] = True
            if record.get("new_tokenizer"):
                self._tokenize(open_tokenizer(folder))
            self.progress.say(f"{step.index + 1}. {step.name}: finished earlier, reused")
        else:
            self.progress.say(f"{step.index + 1}. {step.name}")
            if self.fresh:
                journal.path.unlink(missing_ok=True)
            subject, record, evaluation = self._apply(step, config, subject, before, journal)
            record = self.store.put(folder, subject, self.tokenizer, record, self.about)
        record["note"] = record["note"] or _nothing_gained(record, self._previous(), step.runner.trains)
        self.progress.say(f"   {_line(record)}")
        self.stages.append(Stage(record, journal.read()))
        return subject, key, evaluation

    def _apply(
        self, step: PlannedStep, config: Mapping[str, Any], subject: Subject, before: Evaluation | None, journal: Any
    ) -> tuple[Subject, dict[str, Any], Evaluation]:
        import torch

        start = time.perf_counter()
        torch.manual_seed(self.plan.recipe.seed + step.index)
        worked = subject.copy()
        result = step.runner.apply(worked, step.config, self._tools(journal))
        seconds = time.perf_counter() - start
        worked.module.eval()
        trail = TrailStep(step.name, step.distribution, config, result.state, result.facts)
        worked.trail = (*subject.trail, trail)
        if result.tokenizer is not None:
            if step.budget is not None:
                before = before or self._on_search(subject)
            tokenizer = self.tokenizer
            self._tokenize(result.tokenizer)
        after = self._on_search(worked)
        undone = False
        note = result.note
        if step.budget is not None:
            before = before or self._on_search(subject)
            drop = before.score - after.score
            undone = drop > step.budget.max_drop
            if undone:
                note = (
                    f"Undone: it cost {drop:.2f} points on the search split, the budget allows "
                    f"{step.budget.max_drop:g}. {note}".strip()
                )
                worked, after = subject, before
                if result.tokenizer is not None:
                    self._tokenize(tokenizer)
        record: dict[str, Any] = {
            "index": step.index,
            "pass": step.name,
            "source": step.distribution,
            "config": dict(config),
            "undone": undone,
            "new_tokenizer": result.tokenizer is not None and not undone,
            "reused": False,
            "note": note,
            "facts": dict(result.facts),
            "wall_s": seconds,
            "metric_search": after.score,
            "loss_search_nats": after.loss,
            "parameters": measure.count_values(worked.module),
            "structure": worked.structure.to_json(),
        }
        record |= self._stage_speed(worked)
        record["peak_memory_bytes"] = measure.peak_memory_bytes()
        return worked, record, after

    def _tools(self, journal: Any) -> Tools:
        return Tools(
            train=self.splits["train"],
            search=self.splits["search"],
            teacher=self.dense.module if self.dense is not None else None,
            tokenizer=self.tokenizer,
            model_folder=str(self.plan.model_folder),
            seed=self.plan.recipe.seed,
            progress=self.progress,
            journal=journal,
        )

    def _on_search(self, subject: Subject) -> Evaluation:
        return self.splits["search"].evaluate(subject.module, progress=self.progress)

    def _stage_speed(self, subject: Subject) -> dict[str, float]:
        """Beside the dense model, in turn; alone as long as there is none."""
        dense = {"dense": self.dense.module} if self.dense is not None else {}
        inputs = measure.Inputs.of(self.splits["search"])
        speeds = measure.speed({**dense, "stage": subject.module}, inputs, STAGE_ROUNDS, self.progress)
        found = speeds["stage"].to_json()
        if dense:
            found["latency_b1_ms_p50_dense"] = speeds["dense"].latency_b1_ms_p50
            found["throughput_b32_per_s_dense"] = speeds["dense"].throughput_b32_per_s
            found["throughput_ratio"] = found["throughput_b32_per_s"] / speeds["dense"].throughput_b32_per_s
        return found

    def _previous(self) -> Mapping[str, Any]:
        """The record that a stage is compared with: of the stage before, or of the dense model."""
        if self.stages:
            return self.stages[-1].record
        return {"bytes": self.dense_bytes, "metric_search": self.dense_metric}

    def _set_dense(self, subject: Subject, size: int) -> None:
        self.dense, self.dense_bytes = subject, size

    def _measure_bytes(self, subject: Subject) -> int:
        folder = self.store.folder(-1, "dense", self.initial_key)
        self.used.add(folder)
        return int(self.store.put(folder, subject, self.tokenizer, {}, self.about)["bytes"])

    def _summary(self, subject: Subject) -> dict[str, Any]:
        assert self.dense is not None, "set before or by the leading passes"
        self.progress.say("Measuring on the test split, which nothing has seen")
        labels = self.plan.rows.splits["train"].labels
        tests = (self.dense_test, self.splits["test"])
        summary = compare(self.dense.module, subject.module, *tests, labels, self.progress)
        here = time.perf_counter() - self.start
        reused = sum(stage.record["wall_s"] for stage in self.stages if stage.record["reused"])
        return {
            **summary,
            "bytes_dense": self.dense_bytes,
            "bytes_result": self.stages[-1].record["bytes"],
            "wall_s": here + reused,
            "wall_this_run_s": here,
            "peak_memory_bytes": measure.peak_memory_bytes(),
            "rows": {name: len(split) for name, split in self.splits.items()},
            "rows_truncated": {name: split.at_limit for name, split in self.splits.items()},
            "test_rows_also_in_train_or_search": self.plan.rows.overlap,
            "label_names": list(self.plan.rows.label_names),
        }


def _line(record: Mapping[str, Any]) -> str:
    parts = [f"search {record['metric_search']:.2f}", f"{record['bytes'] / 1e6:.1f} MB"]
    if "throughput_ratio" in record:
        parts.append(f"{record['throughput_ratio']:.2f}x throughput")
    parts.append(f"{record['wall_s']:.1f} s")
    return ", ".join(parts) + (f". {record['note']}" if record["note"] else "")


def journal_lines(stages: Sequence[Stage]) -> list[str]:
    """All journals of a run as JSON lines, each with its stage."""
    return [
        json.dumps({"stage": stage.record["index"], "pass": stage.record["pass"], **entry})
        for stage in stages
        for entry in stage.journal
    ]


def _nothing_gained(record: Mapping[str, Any], before: Mapping[str, Any], trains: bool) -> str:
    """One sentence for a stage that made nothing smaller, faster or better; else nothing."""
    smaller = record["bytes"] < 0.995 * before["bytes"]
    faster = record.get("throughput_ratio", 1.0) > 1.03 * before.get("throughput_ratio", 1.0)
    metric = before.get("metric_search")
    better = metric is None or record["metric_search"] > metric
    if smaller or faster or better:
        return ""
    return "It did not make the model better." if trains else "It made nothing smaller, faster or better."
