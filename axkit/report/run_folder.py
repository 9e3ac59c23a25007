"""Write a finished run: model, resolved recipe, report.json, report.md, journal; whole or not at all."""

from __future__ import annotations

import io
import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from axkit.ground.atomic import draft_of
from axkit.report.plot import frontier_svg
from axkit.report.text import frontier_name, report_text
from axkit.run.engine import Run
from axkit.run.records import FRONTIER, journal_lines
from axkit.runtimes.folder import save
from axkit.tasks.image_reader import ImageReader
from axkit.tasks.kinds.known import KINDS

FORMAT = 1
PROBE = ("A fine story, told well.", "This is far too long and rather dull.")
_PACKAGES = ("axkit", "torch", "transformers", "datasets", "safetensors", "numpy")


def write_run(run: Run, target: Path) -> dict[str, Any]:
    """Make the run folder.

    Args:
        run: from :func:`axkit.apply`.
        target: the folder; an older one of that name is replaced once the new one is complete.

    Returns:
        The content of report.json.

    Raises:
        StorageError: the disk is full or not writable; an older folder is as before.
    """
    return write_run_beside(run, target, replace=True)[0]


def write_run_beside(run: Run, target: Path, replace: bool = False) -> tuple[dict[str, Any], Path]:
    """As :func:`write_run`; where ``target`` is there and is not to be replaced, at ``target``-2 and so on.

    Returns:
        The content of report.json, and the folder.
    """
    stages = [stage.record for stage in run.stages]
    report: dict[str, Any] = {
        "format": FORMAT,
        "name": run.plan.recipe.name,
        "key": run.key,
        "summary": run.summary,
        "stages": [one.to_json() for one in stages],
        "recipe": run.plan.source.text,
        "overrides": list(run.plan.source.overrides),
        "machine": machine(),
        "probe": _probe(run),
    }
    with draft_of(target) as draft:
        folder = draft.folder
        save(run.subject, run.subject.reader, folder, run.about)
        (folder / "recipe.yaml").write_text(resolved_recipe(run), encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")
        (folder / "report.md").write_text(report_text(report, stages), encoding="utf-8")
        for stage in stages:
            if stage.told.tables.get(FRONTIER):
                drawn = frontier_svg(
                    stage.told.frontier, run.summary["metric_search_dense"], run.summary["metric_name"]
                )
                (folder / frontier_name(stage)).write_text(drawn, encoding="utf-8")
        (folder / "journal.jsonl").write_text("".join(f"{line}\n" for line in journal_lines(run.stages)), "utf-8")
        if replace:
            draft.place(target)
        return report, target if replace else draft.place_beside(target)


def _probe(run: Run) -> dict[str, Any]:
    """The logits of two sentences: a deployment that reloads the folder can check that it got the same model.

    Where images are read, those of one whose values rise evenly from -1 to 1, in the order of memory.
    """
    import torch

    if isinstance(run.subject.reader, ImageReader):
        shape = (1, *run.subject.reader.shape)
        asked: dict[str, Any] = {"pixels_from_-1_to_1": list(shape)}
        inputs = {"pixel_values": torch.linspace(-1, 1, math.prod(shape)).view(shape)}
    else:
        asked = {"texts": list(PROBE)}
        inputs = dict(run.subject.reader(list(PROBE), padding=True, return_tensors="pt"))
    logits = KINDS[run.plan.task.spec.kind].logits(run.subject.body.answer(inputs))
    return {**asked, "logits": logits.float().tolist()}


def resolved_recipe(run: Run) -> str:
    """The recipe as it ran: overrides applied, every default written out; it can be applied again."""
    recipe = run.plan.recipe
    tree: dict[str, Any] = {
        "axkit": recipe.axkit,
        "name": recipe.name,
        "model": recipe.model,
        "task": recipe.task,
        "seed": recipe.seed,
    }
    samples = recipe.samples.model_dump(exclude_none=True)
    if samples:
        tree["samples"] = samples
    tree["control"] = recipe.control
    tree["passes"] = [
        {
            "pass": step.name,
            **step.config.model_dump(mode="json", exclude_none=True),
            **({"budget": step.budget.model_dump()} if step.budget else {}),
        }
        for step in run.plan.steps
    ]
    text = io.StringIO()
    YAML().dump(tree, text)
    return text.getvalue()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
