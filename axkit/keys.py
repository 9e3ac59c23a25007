"""The keys of stages: of everything that goes into them. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from axkit.planning import Plan

_PACKAGES = ("axkit", "torch", "transformers")


def stage_keys(plan: Plan, seed: int | None = None) -> list[str]:
    """The key of the model as it comes, then of what each pass makes of it.

    Two plans with the same versions, model files, rows, seed and leading passes have the same leading keys, whatever
    they are named.

    Args:
        plan: reads the rows where that was not done before.
        seed: instead of the recipe's.
    """
    folder = plan.model_folder
    weights = sorted([path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in folder.glob("*.safetensors"))
    keys = [
        _key(
            "",
            [version(name) for name in _PACKAGES],
            str(folder),
            weights,
            plan.rows.fingerprint,
            plan.task.spec.model_dump(),
            plan.recipe.seed if seed is None else seed,
        )
    ]
    for step in plan.steps:
        budget = step.budget.model_dump() if step.budget else None
        keys.append(_key(keys[-1], step.name, step.distribution, step.config.model_dump(mode="json"), budget))
    return keys


def stage_name(index: int, name: str, key: str) -> str:
    """What a stage's folder is called; index -1 is the model as it comes."""
    return f"{index}-{name}-{key}"


def stage_names(plan: Plan, keys: list[str]) -> list[str]:
    """The folders that a run of the plan uses."""
    return [
        stage_name(-1, "dense", keys[0]),
        *(stage_name(step.index, step.name, key) for step, key in zip(plan.steps, keys[1:], strict=True)),
    ]


def _key(before: str, *parts: Any) -> str:
    text = json.dumps([before, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
