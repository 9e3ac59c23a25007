"""A pass on its way through a real recipe, on tiny data: planned, budgeted, killed, resumed, quantized after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import Family
from axkit.contract.passes import Pass
from axkit.contract.result import Result
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.ground import registry
from axkit.ground.errors import AxkitError, RecipeError, shown
from axkit.ground.quiet import quiet
from axkit.run import engine
from axkit.run.planning import plan
from axkit.run.recipe import Recipe
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.split import Split
from axkit.testing.applied import Trial
from axkit.testing.looks import answers_of
from axkit.testing.tiny import tiny_model, tiny_reader, tiny_sentences

FOLLOWING = "int8"  # what most recipes end with
_ROWS = {"train": 40, "test": 4}  # few: each stage is timed on them
_POINTS = 100.0  # a budget that nothing can break


@dataclass
class Walked:
    """What became of the recipe.

    Attributes:
        trial: the pass.
        refused: why the plan lets nothing quantize after it; empty where it does.
        failed: what went wrong in which run.
        made: the weights that the pass left, in the run that was killed and in the one that went on.
        reused: whether a third run found every stage finished.
        answers: of the result, and of what the third run loaded.
    """

    trial: Trial
    refused: str = ""
    failed: dict[str, str] = field(default_factory=dict)
    made: list[Mapping[str, torch.Tensor]] = field(default_factory=list)
    reused: bool = False
    answers: list[torch.Tensor] = field(default_factory=list)


def walk(trial: Trial) -> Walked:
    """Run the recipe three times: killed when the pass is done, going on, and once more."""
    walked, folder = Walked(trial), trial.folder / "walk"
    folder.mkdir()
    recipe = _recipe(trial, folder, walked)
    if recipe is None:
        return walked
    with _watched(trial, walked.made, killed=True):
        _run(recipe, folder, walked, "the first run")
    with _watched(trial, walked.made, killed=False):
        for what in ("the run that went on", "the run that found it finished"):
            run = _run(recipe, folder, walked, what)
            if run is None:
                return walked
            walked.answers.append(answers_of(run.subject, rows_of(run)))
            walked.reused = all(stage.record.reused for stage in run.stages)
    return walked


def rows_of(run: engine.Run) -> Split:
    """The search rows as the result takes them."""
    spec = run.plan.task.spec
    return Split(run.plan.rows.splits["search"], spec, KINDS[spec.kind], run.subject.reader, 60)


def _run(recipe: Recipe, folder: Path, walked: Walked, what: str) -> engine.Run | None:
    try:
        return engine.apply(recipe, folder / "runs")
    except KeyboardInterrupt:
        return None
    except Exception as error:  # noqa: BLE001  # a stranger's: becomes a sentence
        walked.failed[what] = f"{type(error).__name__}: {shown(error, 300)}"
    return None


@contextmanager
def _watched(trial: Trial, made: list[Mapping[str, torch.Tensor]], killed: bool) -> Iterator[None]:
    """The pass under its name, noting what it makes; killed as soon as it is done, where that is wanted."""

    def apply(self: Pass[Any], subject: Subject, config: Any, tools: Tools) -> Result:
        result = trial.pass_class.apply(self, subject, config, tools)
        weights = subject.module.named_parameters() if subject.has_module else ()
        made.append({name: one.detach().clone() for name, one in weights})
        if killed:
            raise KeyboardInterrupt
        return result

    named = {"__module__": trial.pass_class.__module__, "__qualname__": trial.pass_class.__qualname__}
    watched = type(trial.pass_class.__name__, (trial.pass_class,), {**named, "apply": apply})
    with registry.at_hand(registry.PASSES, trial.name, watched):
        yield


def _recipe(trial: Trial, folder: Path, walked: Walked) -> Recipe | None:
    """The pass under a budget, and what follows it, unless the plan refuses that."""
    said = trial.config.model_dump(mode="json", exclude_unset=True, by_alias=True)
    in_full = trial.config.model_dump(mode="json", by_alias=True)
    step = {"pass": trial.name, **said, "budget": {"max_drop": _POINTS}}
    made = _model(trial.family, folder) | {"task": _task(trial.family, folder)}
    try:
        alone = Recipe.model_validate({**made, "passes": [step]})
        plan(alone)
        plan(Recipe.model_validate({**made, "passes": [{**step, **in_full}]}))
    except (AxkitError, ValueError) as error:
        walked.failed["the plan"] = shown(error, 300)
        return None
    try:
        both = Recipe.model_validate({**made, "passes": [step, {"pass": FOLLOWING}]})
        plan(both)
    except RecipeError as error:
        walked.refused = str(error)
        return alone
    return both


def _model(family: Family, folder: Path) -> dict[str, Any]:
    with quiet():
        tiny_model(family, id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1}).save_pretrained(folder / "model")
    tiny_reader(family).save_pretrained(folder / "model")
    return {"axkit": 1, "name": "walk", "model": str(folder / "model"), "seed": 3, "control": False}


def _task(family: Family, folder: Path) -> dict[str, Any]:
    """Random rows in files."""
    if family.inputs == "pixels":
        return _images(family, folder)
    for seed, (name, rows) in enumerate(_ROWS.items()):
        lines = [
            json.dumps({"sentence": text, "label": index % 2}) for index, text in enumerate(tiny_sentences(rows, seed))
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = {name: str(folder / f"{name}.jsonl") for name in _ROWS}
    return {"kind": "classification", "files": files, "text": "sentence", "label": "label"}


def _images(family: Family, folder: Path) -> dict[str, Any]:
    """Noise, in a folder for each label."""
    from PIL import Image

    for seed, (name, rows) in enumerate(_ROWS.items()):
        dice = np.random.default_rng(seed)
        for index in range(rows):
            path = folder / name / str(index % 2) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dice.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    files = {name: str(folder / name) for name in _ROWS}
    return {"kind": "image_classification", "files": files, "image": "image", "label": "label"}
