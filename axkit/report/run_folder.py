"""Write a finished run: model, recipe, report.html, .json and .md, card, journal; whole or not at all."""

from __future__ import annotations

import io
import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from axkit.contract.passes import PassConfig
from axkit.ground.atomic import draft_of
from axkit.ground.device import gpu_names
from axkit.ground.processor import Processor
from axkit.report.card import CARD, card_of
from axkit.report.page import PAGE, page_of
from axkit.report.plots.canvas import alone, can_draw
from axkit.report.plots.road import frontier_svg
from axkit.report.tables import frontier_name
from axkit.report.text import report_text
from axkit.run.anchored import seen_from
from axkit.run.engine import Run
from axkit.run.journal import journal_lines
from axkit.run.report import REPORT, Machine, Probe, Report
from axkit.runtimes.folder import save
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.known import KINDS

PROBE = ("A fine story, told well.", "This is far too long and rather dull.")
_PACKAGES = ("axkit", "torch", "transformers", "datasets", "safetensors", "numpy")


def write_run(run: Run, target: Path) -> Report:
    """Make the run folder.

    Args:
        run: from ``axkit.apply``.
        target: the folder; an older one of that name is replaced once the new one is complete.

    Returns:
        What report.json has.

    Raises:
        StorageError: the disk is full or not writable; an older folder is as before.
    """
    return write_run_beside(run, target, replace=True)[0]


def write_run_beside(run: Run, target: Path, replace: bool = False) -> tuple[Report, Path]:
    """As ``write_run``; where ``target`` is there and is not to be replaced, at ``target``-2 and so on.

    Returns:
        What report.json has, and the folder.
    """
    with draft_of(target) as draft:
        save(run.subject, run.subject.reader, draft.folder, run.about, golden=True)
        report = report_of(run)  # behind it: a tokenizer that the probe has asked to pad is saved with that
        _write_beside_model(run, report, draft.folder)
        if replace:
            draft.place(target)
        return report, target if replace else draft.place_beside(target)


def report_of(run: Run) -> Report:
    """What report.json has of a run."""
    assert run.summary is not None, "only the process that measured writes"
    return Report(
        name=run.plan.recipe.name,
        key=run.key,
        summary=run.summary,
        stages=tuple(stage.record for stage in run.stages),
        recipe=run.plan.source.text,
        overrides=tuple(run.plan.source.overrides),
        machine=machine(),
        probe=_probe(run),
        answers=run.answers,
        left_out=run.plan.left_out,
    )


def _write_beside_model(run: Run, report: Report, folder: Path) -> None:
    """All files of a run folder but those of the model."""
    manifest = read_manifest(folder)
    assert manifest is not None, "saved before"
    written = {
        "recipe.yaml": resolved_recipe(run, folder),
        REPORT: json.dumps(report.to_json(), indent=1, allow_nan=False),
        "report.md": report_text(report),
        PAGE: page_of(report, run.about, manifest.runtime),
        CARD: card_of(report, manifest, run.plan.recipe.model),
        "journal.jsonl": "".join(f"{line}\n" for line in journal_lines(run.stages)),
    }
    dense, metric = report.summary.searched.dense.score, report.summary.quality.metric_name
    for stage in report.stages:
        if stage.told.frontier and can_draw():
            name = frontier_name(stage)
            written[name] = alone(frontier_svg(stage.told.frontier, dense, metric, name.removesuffix(".svg")))
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


def _probe(run: Run) -> Probe:
    """The logits of two sentences: a deployment that reloads the folder can check that it got the same model.

    Where images are read, those of one whose values rise evenly from -1 to 1, in the order of memory.
    """
    import torch

    texts: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    if isinstance(run.subject.reader, ImageReader):
        shape = (1, *run.subject.reader.shape)
        inputs = {"pixel_values": torch.linspace(-1, 1, math.prod(shape)).view(shape)}
    else:
        texts = PROBE
        inputs = dict(run.subject.reader(list(PROBE), padding=True, return_tensors="pt"))
    logits = KINDS[run.plan.task.spec.kind].logits(run.subject.body.answer(inputs))
    return Probe(logits.float().tolist(), texts, shape)


def resolved_recipe(run: Run, folder: Path) -> str:
    """The recipe as it ran: overrides applied, every default written out, without passes that were left out; from its
    folder it can be applied again."""
    tree: dict[str, Any] = run.plan.recipe.model_dump(exclude={"passes"}, exclude_none=True)
    tree["passes"] = [
        {
            "pass": step.name,
            **_settings(step.config),
            **({"budget": step.budget.model_dump()} if step.budget else {}),
        }
        for step in run.plan.steps
    ]
    text = io.StringIO()
    YAML().dump(seen_from(tree, folder), text)
    return text.getvalue()


def _settings(config: PassConfig) -> dict[str, Any]:
    """All of them; a null is left out only where that is what a missing key means."""
    fields = type(config).model_fields
    said = config.model_dump(mode="json")
    return {name: value for name, value in said.items() if value is not None or fields[name].default is not None}


def machine() -> Machine:
    """What the figures were measured on."""
    import torch

    return Machine(
        processor=Processor.here().name,
        threads=torch.get_num_threads(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: version(name) for name in _PACKAGES},
        gpu=", ".join(gpu_names()) or None,
    )
