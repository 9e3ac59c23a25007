"""Contract tests for plugins, on tiny random models, without network or data.

Each check is in a file of its own; nothing here imports torch until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axkit.testing.family_check import check_family as check_family
    from axkit.testing.kind_check import check_kind as check_kind
    from axkit.testing.lent import lend as lend
    from axkit.testing.lent import tiny_tools as tiny_tools
    from axkit.testing.looks import logits_of as logits_of
    from axkit.testing.looks import reload as reload
    from axkit.testing.pass_check import check_pass as check_pass
    from axkit.testing.runtime_check import check_runtime as check_runtime
    from axkit.testing.tiny import tiny_model as tiny_model
    from axkit.testing.tiny import tiny_reader as tiny_reader
    from axkit.testing.tiny import tiny_split as tiny_split
    from axkit.testing.tiny import tiny_subject as tiny_subject
    from axkit.testing.tiny import tiny_tokenizer as tiny_tokenizer

_LAZY = {
    "check_family": "axkit.testing.family_check",
    "check_kind": "axkit.testing.kind_check",
    "check_pass": "axkit.testing.pass_check",
    "check_runtime": "axkit.testing.runtime_check",
    "lend": "axkit.testing.lent",
    "logits_of": "axkit.testing.looks",
    "reload": "axkit.testing.looks",
    "tiny_model": "axkit.testing.tiny",
    "tiny_reader": "axkit.testing.tiny",
    "tiny_split": "axkit.testing.tiny",
    "tiny_subject": "axkit.testing.tiny",
    "tiny_tokenizer": "axkit.testing.tiny",
    "tiny_tools": "axkit.testing.lent",
}

__all__ = [
    "check_family",
    "check_kind",
    "check_pass",
    "check_runtime",
    "lend",
    "logits_of",
    "reload",
    "tiny_model",
    "tiny_reader",
    "tiny_split",
    "tiny_subject",
    "tiny_tokenizer",
    "tiny_tools",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'axkit.testing' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)
