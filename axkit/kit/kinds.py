"""What authors of kinds of task and of metrics share: the parts that a kind is made of, and axkit's own to build on.

Nothing imports torch until a name of the half that computes is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axkit.tasks.kinds.base import TaskKind as TaskKind
    from axkit.tasks.kinds.base import divergence as divergence
    from axkit.tasks.kinds.classification.compute import Classification as Classification
    from axkit.tasks.kinds.classification.rows import ClassRows as ClassRows
    from axkit.tasks.kinds.classification.rows import OneLabel as OneLabel
    from axkit.tasks.kinds.data import KindRows as KindRows
    from axkit.tasks.kinds.data import Shown as Shown
    from axkit.tasks.kinds.feed import Encoded as Encoded
    from axkit.tasks.kinds.feed import Feed as Feed
    from axkit.tasks.kinds.kind import Kind as Kind
    from axkit.tasks.kinds.look import Look as Look
    from axkit.tasks.kinds.luck import Constant as Constant
    from axkit.tasks.kinds.luck import Luck as Luck
    from axkit.tasks.kinds.metric import Metric as Metric
    from axkit.tasks.kinds.multi_label.compute import MultiLabel as MultiLabel
    from axkit.tasks.kinds.regression.rows import ScoreRows as ScoreRows
    from axkit.tasks.kinds.voice import Voice as Voice
    from axkit.tasks.labels.columns import LabelColumn as LabelColumn
    from axkit.tasks.labels.head import Head as Head
    from axkit.tasks.labels.naming import Naming as Naming
    from axkit.tasks.source.split_rows import SplitRows as SplitRows

_OFFERED = {
    "kinds.base": ("TaskKind", "divergence"),
    "kinds.classification.compute": ("Classification",),
    "kinds.classification.rows": ("ClassRows", "OneLabel"),
    "kinds.data": ("KindRows", "Shown"),
    "kinds.feed": ("Encoded", "Feed"),
    "kinds.kind": ("Kind",),
    "kinds.look": ("Look",),
    "kinds.luck": ("Constant", "Luck"),
    "kinds.metric": ("Metric",),
    "kinds.multi_label.compute": ("MultiLabel",),
    "kinds.regression.rows": ("ScoreRows",),
    "kinds.voice": ("Voice",),
    "labels.columns": ("LabelColumn",),
    "labels.head": ("Head",),
    "labels.naming": ("Naming",),
    "source.split_rows": ("SplitRows",),
}
_WHERE = {name: module for module, names in _OFFERED.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'axkit.kit.kinds' has no attribute '{name}'")
    return getattr(import_module(f"axkit.tasks.{_WHERE[name]}"), name)
