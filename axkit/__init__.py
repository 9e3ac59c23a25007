"""axkit: one recipe, one command, and a transformer that is really smaller and faster.

What is offered here is all that a plugin needs. Nothing here imports torch until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from axkit.checkpoint.sources import ModelSource, model_config
from axkit.contract.passes import Effort, Gain, InnerStep, Pass, PassConfig, SearchWork, Workload
from axkit.contract.result import Result
from axkit.contract.tools import Journal, Tools
from axkit.contract.traits import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    PLAIN_WEIGHTS,
    SOFT_ATTENTION,
    TEACHER_TOKENS,
    TORCH_MODULE,
    Trait,
)
from axkit.ground import telemetry as _telemetry
from axkit.ground.cpu import before_torch as _before_torch
from axkit.ground.errors import (
    AxkitError,
    CheckpointError,
    DataError,
    NotApplicable,
    PluginError,
    RecipeError,
    StorageError,
)
from axkit.ground.progress import Progress
from axkit.ground.version import __version__ as __version__
from axkit.run.recipe import Recipe
from axkit.runtimes.torch import hook as _hook
from axkit.tasks.spec import Row, SplitName, Task, TaskSpec

if TYPE_CHECKING:
    from axkit.anatomy.family import Family as Family
    from axkit.anatomy.family import family_of as family_of
    from axkit.anatomy.structure import Structure as Structure
    from axkit.anatomy.surgery import Layer as Layer
    from axkit.contract.body import Body as Body
    from axkit.contract.manifest import Manifest as Manifest
    from axkit.contract.subject import Subject as Subject
    from axkit.finished.many import Predictor as Predictor
    from axkit.finished.many import load as load
    from axkit.goal.whole import compress as compress
    from axkit.ground.cpu import expects_bfloat16 as expects_bfloat16
    from axkit.ground.cpu import has_bfloat16 as has_bfloat16
    from axkit.measure.speed import relative_speed as relative_speed
    from axkit.measure.speed import relative_speeds as relative_speeds
    from axkit.report.card.push import push_to_hub as push_to_hub
    from axkit.run.engine import Run as Run
    from axkit.run.engine import apply as apply
    from axkit.run.engine import apply_each as apply_each
    from axkit.run.planning import plan as plan
    from axkit.runtimes.folder import load_subject as load_subject
    from axkit.runtimes.torch.body import TorchBody as TorchBody
    from axkit.runtimes.torch.body import torch_subject as torch_subject
    from axkit.runtimes.torch.opening import open_subject as open_subject
    from axkit.tasks.kinds.base import TaskKind as TaskKind
    from axkit.tasks.source.rows import split_by_hash as split_by_hash
    from axkit.tasks.split import Batch as Batch
    from axkit.tasks.split import Evaluation as Evaluation
    from axkit.tasks.split import Split as Split

_LAZY = {
    "Batch": "axkit.tasks.split",
    "Evaluation": "axkit.tasks.split",
    "Family": "axkit.anatomy.family",
    "Layer": "axkit.anatomy.surgery",
    "Run": "axkit.run.engine",
    "Split": "axkit.tasks.split",
    "Body": "axkit.contract.body",
    "Manifest": "axkit.contract.manifest",
    "Predictor": "axkit.finished.many",
    "Structure": "axkit.anatomy.structure",
    "Subject": "axkit.contract.subject",
    "TaskKind": "axkit.tasks.kinds.base",
    "TorchBody": "axkit.runtimes.torch.body",
    "apply": "axkit.run.engine",
    "apply_each": "axkit.run.engine",
    "compress": "axkit.goal.whole",
    "expects_bfloat16": "axkit.ground.cpu",
    "family_of": "axkit.anatomy.family",
    "has_bfloat16": "axkit.ground.cpu",
    "load": "axkit.finished.many",
    "load_subject": "axkit.runtimes.folder",
    "open_subject": "axkit.runtimes.torch.opening",
    "plan": "axkit.run.planning",
    "push_to_hub": "axkit.report.card.push",
    "relative_speed": "axkit.measure.speed",
    "relative_speeds": "axkit.measure.speed",
    "split_by_hash": "axkit.tasks.source.rows",
    "torch_subject": "axkit.runtimes.torch.body",
}

__all__ = [
    "DIFFERENTIABLE",
    "FLOAT_WEIGHTS",
    "FULL_PRECISION",
    "PLAIN_WEIGHTS",
    "SOFT_ATTENTION",
    "TEACHER_TOKENS",
    "TORCH_MODULE",
    "AxkitError",
    "Batch",
    "Body",
    "CheckpointError",
    "DataError",
    "Effort",
    "Evaluation",
    "Family",
    "Gain",
    "InnerStep",
    "Journal",
    "Layer",
    "Manifest",
    "ModelSource",
    "NotApplicable",
    "Pass",
    "PassConfig",
    "PluginError",
    "Predictor",
    "Progress",
    "Recipe",
    "RecipeError",
    "Result",
    "Row",
    "Run",
    "SearchWork",
    "Split",
    "SplitName",
    "StorageError",
    "Structure",
    "Subject",
    "Task",
    "TaskKind",
    "TaskSpec",
    "Tools",
    "TorchBody",
    "Trait",
    "Workload",
    "apply",
    "apply_each",
    "compress",
    "expects_bfloat16",
    "family_of",
    "has_bfloat16",
    "load",
    "load_subject",
    "model_config",
    "open_subject",
    "plan",
    "push_to_hub",
    "relative_speed",
    "relative_speeds",
    "split_by_hash",
    "torch_subject",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'axkit' has no attribute '{name}'")
    _before_torch()  # most of these bring it
    return getattr(import_module(_LAZY[name]), name)


_telemetry.switch_off()  # before anything has imported datasets
_hook.install()
