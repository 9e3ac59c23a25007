"""The keys of stages: of the contents of everything that goes into them. Imports no torch.

The same job has the same keys, wherever its files lie and whenever they were touched; a job that could come to another
result has others (docs/decisions/0021).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from axkit.anatomy.structure import Structure
from axkit.checkpoint import sources as models
from axkit.ground.hashes import files_hash
from axkit.run.planning import Plan
from axkit.run.steps import PlannedStep
from axkit.tasks.kinds.kind import foreign_modules

_PACKAGES = ("axkit", "torch", "transformers", "tokenizers", "safetensors", "numpy")  # whatever the passes
_MODEL_FILES = (".json", ".safetensors", ".txt", ".model", ".spm", ".vocab", ".bpe", ".codes")
_NO_MODEL_FILES = ("report.json", "stage.json")  # of our own folders, with timings
_WHERE = {
    "files",
    "hub",
    "hub_splits",
    "split",
}  # of a task: where its rows are; their fingerprint has what they hold


def stage_keys(plan: Plan, seed: int | None = None) -> list[str]:
    """The key of the model as it comes, then of what each pass makes of it.

    Two plans with the same versions, model files, rows, seed and leading passes have the same leading keys, whatever
    they are named and wherever their files are. The machine is no part of them: see ``stage_name``.

    Args:
        plan: reads the rows where that was not done before.
        seed: instead of the recipe's.

    Raises:
        AxkitError: a model that a setting names cannot be had.
    """
    packages = _PACKAGES + (("pillow",) if plan.family.inputs == "pixels" else ())
    keys = [
        _key(
            "",
            {name: package_version(name) for name in packages},
            source_hash("axkit"),
            model_hash(plan.model_folder),
            plan.rows.fingerprint,
            list(plan.rows.label_names),
            plan.task.spec.model_dump(exclude=_WHERE),
            plan.recipe.seed if seed is None else seed,
            sorted(source_hash(one) for one in foreign_modules(plan.task.spec.kind, plan.task.spec.metric_names)),
            plan.recipe.target.model_dump(),
            *_of_origin(plan),
        )
    ]
    for step in plan.steps:
        keys.append(_key(keys[-1], _of_step(step)))
    return keys


def _of_origin(plan: Plan) -> list[Any]:
    """The code that puts a result of axkit together again, beside what is in its folder."""
    if plan.origin is None:
        return []
    sources = {source for made in plan.origin.runners.values() for source in _sources(made)}
    return [sorted(sources)] if sources else []


def _sources(runner: type[Any]) -> set[str]:
    """Of the code of a pass."""
    return {source_hash(one.__module__) for one in runner.__mro__ if _is_ours(one.__module__)}


def _of_step(step: PlannedStep) -> dict[str, Any]:
    """All that a pass is: code, settings, the packages and models that they name, and the passes that it runs."""
    runner = type(step.runner)
    return {
        "name": step.name,
        "distribution": step.distribution,
        "source": sorted(_sources(runner)),
        "packages": {name: package_version(name) for name in step.runner.packages_of(step.config)},
        "config": step.config.model_dump(mode="json"),
        "models": [model_hash(models.local_folder(name)) for name in step.runner.models(step.config)],
        "budget": step.budget.model_dump() if step.budget else None,
        "inner": {setting: _of_step(one) for setting, one in step.inner.items()},
    }


def stage_name(index: int, name: str, key: str, machine: str) -> str:
    """What a stage's folder is called.

    Args:
        index: of the pass; -1 is the model as it comes.
        name: of the pass.
        key: of the stage.
        machine: what else changes bits (``axkit.ground.cpu.machine_key``): on another machine it is the same job, with
            perhaps another last bit.
    """
    return f"{index}-{name}-{key}-{machine}"


def inner_name(setting: str, structure: Structure) -> str:
    """Of the folder of a pass that another one runs on a model; the same where a killed run has come to it again."""
    return f"{setting}-{_key('', structure.to_json())}"


def of_any_machine(name: str) -> str:
    """A stage's name without the machine."""
    return name.rpartition("-")[0]


def stage_names(plan: Plan, keys: list[str]) -> list[str]:
    """The folders that a run of the plan uses, without the machine."""
    return [
        of_any_machine(stage_name(-1, "dense", keys[0], "")),
        *(
            of_any_machine(stage_name(step.index, step.name, key, ""))
            for step, key in zip(plan.steps, keys[1:], strict=True)
        ),
    ]


def model_hash(folder: Path) -> str:
    """Of what a checkpoint is made of: config, weights, tokenizer, whatever the folder is called."""
    return files_hash(folder, set(_model_files(folder)))


def _model_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix in _MODEL_FILES and path.name not in _NO_MODEL_FILES and path.is_file():
            yield path
            if path.name.endswith(".safetensors.index.json"):  # its shards may lie further down
                shards = json.loads(path.read_text(encoding="utf-8")).get("weight_map", {}).values()
                yield from (shard for name in set(shards) if (shard := folder / name).is_file())


@cache
def source_hash(module: str) -> str:
    """Of the files of the package that a module belongs to; of its own file where it is alone.

    Also a change that gives the package no other version, as while it is written, makes another job.
    """
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        found = import_module(".".join(parts[:depth]))
        file = getattr(found, "__file__", None)
        if file is None:  # a namespace: nobody's own
            continue
        path = Path(file)
        if not hasattr(found, "__path__"):
            return files_hash(path.parent, [path])
        files = (one for one in path.parent.rglob("*") if "__pycache__" not in one.parts and one.is_file())
        return files_hash(path.parent, files)
    return ""


def _is_ours(module: str) -> bool:
    """False for what has a version of its own, or is in the key already."""
    top = module.partition(".")[0]
    return top not in _PACKAGES and top != "pydantic" and top not in sys.stdlib_module_names


def package_version(name: str) -> str:
    """Of the distribution that brings an importable name; empty where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        brought_by = packages_distributions().get(name, [])
        return ", ".join(f"{one} {version(one)}" for one in sorted(brought_by))


def _key(before: str, *parts: Any) -> str:
    text = json.dumps([before, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
