"""The whole of ``axkit compress``: look, write, try, run, judge."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axkit.goal.brought import data_path, model_path
from axkit.goal.columns import Told
from axkit.goal.depth import Depths
from axkit.goal.gpu import SERVED, rows_at_a_time, rows_per_s, sixteen_bits
from axkit.goal.ladder import OF_A_RUNG, Clock, Ladder
from axkit.goal.look import Asked, look
from axkit.goal.order import order_doubt
from axkit.goal.outcome import Compressed, Tried, bits_of, taken_back
from axkit.goal.rungs import Rung, Rungs
from axkit.goal.settings import Goal
from axkit.goal.written import Draft
from axkit.ground.device import AUTO, Device
from axkit.ground.errors import RecipeError
from axkit.ground.figures import change, ratio
from axkit.ground.progress import Progress, Silent
from axkit.ground.writable import check_writable
from axkit.kit.train.cost import training_cost
from axkit.kit.train.settings import TrainingConfig
from axkit.run.noise import doubts
from axkit.run.planning import Plan, plan
from axkit.run.recipe import load_source, read_source

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def compress(
    model: Any,
    data: Any,
    speedup: float | None = None,
    max_drop: float = 1.0,
    *,
    size: float | None = None,
    where: str = "cpu",
    minutes: float = 30.0,
    labels: str = "use",
    text: str | Sequence[str] = (),
    label: str | None = None,
    kind: str | None = None,
    metric: str | None = None,
    tokenizer: Any = None,
    out: str | Path = "runs",
    name: str | None = None,
    dry: bool = False,
    force: bool = False,
    device: str = AUTO,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Compressed:
    """Make a model smaller and faster, as a goal says: a recipe is written, tried in steps from cheap to dear, and run.

    What is tried is judged on the search split; the test split is measured once, at the end.

    Args:
        model: a folder, a registered model, a hub id, or a transformers model in memory with its ``tokenizer``.
        data: a file, a folder of images, a task's name or YAML file, a ``datasets.Dataset``, a pandas frame or rows.
        speedup: wanted throughput in batches, as a multiple of the model's own; None: as fast as ``max_drop`` allows.
        max_drop: points of the task's metric that it may cost.
        size: wanted bytes of the model / bytes of the result.
        where: it will run: ``cpu``, ``cuda``, ``torch-packed``, ``onnxruntime`` or ``openvino``.
        minutes: that trying may take.
        labels: ``use`` those of the data, or ``none``.
        text: the column of the text, or two; seen from the data where it is not given.
        label: the column of the label, likewise.
        kind: of the task, likewise.
        metric: that decides; the kind's first where missing.
        tokenizer: of a model in memory.
        out: folder that gets the recipe and the run folder.
        name: of both; made of those of model and data where missing.
        dry: write the recipe that is likeliest to serve, and stop; how deep it cuts is a guess.
        force: replace a run folder of the same name.
        device: where passes compute.
        batch: rows at a time that it will serve; None: 32, or as many as keep a GPU busy.
        progress: told what is going on.

    Raises:
        AxkitError: bad input, told before anything is tried.
    """
    goal = Goal(speedup, size, max_drop, where, minutes, labels, batch).check()
    job = _Job(goal, Path(out), progress or Silent(), device)
    called = name or _name(model, data)
    _check_place(job.out / called, called, force or dry)
    columns = Told((text,) if isinstance(text, str) else tuple(text), label, labels == "none")
    brought = job.out / ".brought" / called
    looked = look(
        model_path(model, tokenizer, brought / "model"),
        data_path(data, brought / "rows.jsonl"),
        Asked(columns, kind, metric),
    )
    draft = Draft(called, looked, goal, (), batch=None if batch is None else (batch, SERVED))
    return job.dry(draft) if dry else job.run(draft, force)


def _check_place(target: Path, called: str, may_stand: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", called):
        raise RecipeError(f"--name {called!r} is no name of a folder; give letters, digits, dots and hyphens")
    if target.exists() and not may_stand:
        raise RecipeError(f"{target} exists already; add --force to replace it, or choose another --out or --name")
    check_writable(target)


def _name(model: Any, data: Any) -> str:
    """Of a folder: what it is made of."""
    parts = [
        Path(str(one)).stem or "model" if isinstance(one, str | Path) else other
        for one, other in ((model, "model"), (data, "rows"))
    ]
    return _NO_NAME.sub("-", "-".join(parts)).strip("-.")[:80] or "compressed"


@dataclass(frozen=True)
class _Job:
    """A goal on its way.

    Attributes:
        goal: what is wanted.
        out: folder of recipe and run.
        progress: told what is going on.
        device: where passes compute.
    """

    goal: Goal
    out: Path
    progress: Progress
    device: str

    def dry(self, draft: Draft) -> Compressed:
        """Write the recipe that is likeliest to serve without training; nothing is run."""
        rungs = Rungs(self.goal, draft.looked)
        bits = self._bits()
        wanted = self.goal.speedup if self.goal.speedup and self.goal.speedup > 1.3 else None
        rung = rungs.stored(bits[0]) if bits else rungs.exported()
        if wanted or not self.goal.has_target:
            cuts = max(1.1, (wanted or 3.0) / (1.5 if bits else 1.0))
            rung = rungs.mended(cuts, None, bits[0] if bits else None)
        head = ("Not tried yet: how much the cuts must give beside the bits is a guess; axkit compress measures it.",)
        file = self._write(draft, rung, head)
        plan(load_source(file))  # what can be refused is refused
        return Compressed(self.goal, file)

    def run(self, draft: Draft, force: bool) -> Compressed:
        """Try, choose, write, and run what was chosen to its end."""
        rungs, bits = Rungs(self.goal, draft.looked), self._bits()
        first = self._first(draft, rungs, bits)
        rows = {name: len(split) for name, split in first.rows.splits.items()}
        self.progress.say(
            f"{self.goal.told()}: {rows['train']} rows to learn and mend by, {rows['search']} to decide by, "
            f"{rows['test']} for the end"
        )
        if draft.looked.has_head and first.rows.naming:
            self.progress.say(f"labels: {first.rows.naming}")
        for doubt in doubts(first):
            self.progress.say(f"note: {doubt}")
        rate = 0.0
        if self.goal.where == "cuda":
            draft, rate = self._timed_for_a_gpu(draft, first)
        elif not (there := Device.of(self.device)).is_cpu:  # where it is trained; what it is timed on is slower
            rate = rows_per_s(first, there, self.progress)
        cost = 1 + training_cost(TrainingConfig(), first.recipe.target)[1]  # a teacher is asked too
        clock = Clock(self.goal.minutes, rows["train"], rate, row_cost=cost, settled=rate > 0)
        common: dict[str, Any] = {}

        def attempt(rung: Rung) -> Tried:
            found = self._attempt(draft, rung, clock, common)
            doubt = order_doubt(first, found.score + found.drop) if draft.looked.has_head and not ladder.tried else None
            if doubt:
                self.progress.say(f"note: {doubt}")
            return found

        ladder = Ladder(rungs, attempt, clock, bits)
        chosen = ladder.climb()
        tried, left_out = tuple(ladder.tried), tuple(ladder.left_out)
        if chosen is None:
            least = min(tried, key=lambda one: one.drop)
            file = self._write(draft, least.rung, ("Nothing was within the drop; this cost least.",))
            return Compressed(self.goal, file, tried, left_out=left_out)
        file = self._write(draft, chosen.rung, (_told(chosen, len(tried)),))
        report, folder = self._finish(file, self.out / draft.name, force)
        return Compressed(self.goal, file, tried, chosen, folder, report, left_out)

    def _timed_for_a_gpu(self, draft: Draft, first: Plan) -> tuple[Draft, float]:
        """With as many rows at a time as are served, or keep it busy; and rows a second with 32, as trainings have."""
        found, why = rows_at_a_time(first, self.goal.batch, self.progress)
        return replace(draft, batch=(found.batch, why)), found.few_per_s

    def _bits(self) -> tuple[str, ...]:
        """Precisions, the usual one first: int8 on processors, 16 bits on GPUs; another runtime has its own."""
        from axkit.ground.cpu import expects_bfloat16

        if self.goal.is_graph:
            return ()
        if self.goal.where == "cuda":
            return sixteen_bits()
        return ("int8", "bf16") if expects_bfloat16() else ("int8",)

    def _first(self, draft: Draft, rungs: Rungs, bits: Sequence[str]) -> Plan:
        """Of a rung that can be planned; what stops all of them is of model, data or goal, and ends the command."""
        depth, refused = Depths(self.goal, None).first(), []
        cheap = [rungs.stored(how) for how in bits] or [rungs.exported()]
        for rung in (*cheap, rungs.mended(depth.speedup, depth.size, None)):
            try:
                return self._plan(draft, rung)
            except OF_A_RUNG as error:
                refused.append(error)
        raise refused[0]

    def _plan(self, draft: Draft, rung: Rung) -> Plan:
        text = replace(draft, passes=rung.passes).text(self.out)
        return plan(read_source(text, f"{draft.name}.yaml", (), self.out))

    def _attempt(self, draft: Draft, rung: Rung, clock: Clock, common: dict[str, Any]) -> Tried:
        """A rung on the search split; the test split is asked nothing. Rungs share what passes keep for others."""
        from axkit.run.engine import stages_of, walked

        self.progress.say(f"Trying {rung.name}; {max(0.0, clock.left_s / 60):.0f} minutes left")
        begun = time.monotonic()
        made, stages = self._plan(draft, rung), stages_of(self.out, draft.name)
        walk = walked(made, stages, self.progress, self.device, common)
        assert walk.dense is not None, "set before or by the leading passes"
        records = [stage.record for stage in walk.stages]
        last, beside = records[-1], records[-1].speed.beside if records[-1].speed else None
        if beside is not None:
            clock.saw(beside.throughput_b32_per_s)
        return Tried(
            rung,
            last.search.score,
            walk.dense.search.score - last.search.score,
            beside.throughput_ratio if beside is not None else 1.0,
            walk.dense.bytes / last.bytes,
            time.monotonic() - begun,
            tuple(record.told.note for record in records if record.told.note),
            bits_of(records),
            next(filter(None, (taken_back(record, walk.dense.search.score) for record in records)), None),
        )

    def _write(self, draft: Draft, rung: Rung, told: Sequence[str]) -> Path:
        """The recipe, commented, beside the run folder."""
        file = self.out / f"{draft.name}.yaml"
        wish = f"Written by axkit compress: {self.goal.told()} ({self.goal.options()})."
        again = f"The same again: axkit apply {file} --out {self.out} --force"
        self.out.mkdir(parents=True, exist_ok=True)
        file.write_text(replace(draft, passes=rung.passes, head=(wish, *told, again)).text(self.out), encoding="utf-8")
        return file

    def _finish(self, file: Path, target: Path, force: bool) -> tuple[Any, Path]:
        """The written recipe as ``axkit apply`` runs it: its stages are there, what is left is the test split."""
        from axkit.report import write_run_beside
        from axkit.run.engine import apply

        run = apply(plan(load_source(file)), self.out, self.progress, device=self.device)
        return write_run_beside(run, target, replace=force)


def _told(chosen: Tried, count: int) -> str:
    of = f"Of {count} that were tried" if count > 1 else "The first that was tried"
    figures = f"{change(-chosen.drop)} points, {ratio(chosen.speedup)} the throughput, {ratio(chosen.size)} smaller"
    return f"{of}, on the search split: {figures}."
