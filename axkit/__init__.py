"""axkit: one recipe, one command, and a transformer that is really smaller and faster.

What is offered here is all that a plugin needs. Nothing here imports torch until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from axkit.checkpoint.sources import ModelSource, model_config
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.contract.tools import Tools
from axkit.contract.traits import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    SOFT_ATTENTION,
    TEACHER_TOKENS,
    TORCH_MODULE,
    Trait,
)
from axkit.ground import telemetry as _telemetry
from axkit.ground.errors import (
    AxkitError,
    CheckpointError,
    DataError,
    NotApplicable,
    PluginError,
    RecipeError,
    StorageError,
)
from axkit.ground.version import __version__ as __version__
from axkit.run.recipe import Recipe
from axkit.runtimes.torch import hook as _hook
from axkit.tasks.spec import Row, SplitName, Task, TaskSpec

if TYPE_CHECKING:
    from axkit.anatomy.family import Family as Family
    from axkit.anatomy.structure import Structure as Structure
    from axkit.contract.subject import Subject as Subject
    from axkit.ground.cpu import expects_bfloat16 as expects_bfloat16
    from axkit.ground.cpu import has_bfloat16 as has_bfloat16
    from axkit.measure.speed import relative_speed as relative_speed
    from axkit.run.engine import apply as apply
    from axkit.run.planning import plan as plan
    from axkit.runtimes.torch.folder import load as load
    from axkit.runtimes.torch.opening import open_subject as open_subject
    from axkit.tasks.source.rows import split_by_hash as split_by_hash

_LAZY = {
    "Family": "axkit.anatomy.family",
    "Structure": "axkit.anatomy.structure",
    "Subject": "axkit.contract.subject",
    "apply": "axkit.run.engine",
    "expects_bfloat16": "axkit.ground.cpu",
    "has_bfloat16": "axkit.ground.cpu",
    "load": "axkit.runtimes.torch.folder",
    "open_subject": "axkit.runtimes.torch.opening",
    "plan": "axkit.run.planning",
    "relative_speed": "axkit.measure.speed",
    "split_by_hash": "axkit.tasks.source.rows",
}

__all__ = [
    "DIFFERENTIABLE",
    "FLOAT_WEIGHTS",
    "FULL_PRECISION",
    "SOFT_ATTENTION",
    "TEACHER_TOKENS",
    "TORCH_MODULE",
    "AxkitError",
    "CheckpointError",
    "DataError",
    "Family",
    "ModelSource",
    "NotApplicable",
    "Pass",
    "PassConfig",
    "PluginError",
    "Recipe",
    "RecipeError",
    "Result",
    "Row",
    "SplitName",
    "StorageError",
    "Structure",
    "Subject",
    "Task",
    "TaskSpec",
    "Tools",
    "Trait",
    "apply",
    "expects_bfloat16",
    "has_bfloat16",
    "load",
    "model_config",
    "open_subject",
    "plan",
    "relative_speed",
    "split_by_hash",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'axkit' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


_telemetry.switch_off()  # before anything has imported datasets
_hook.install()
