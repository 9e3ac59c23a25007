"""Fingerprints of what a pass is lent, and of the process it runs in: before and after are compared by name."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from axkit.contract.subject import Subject

Prints = Mapping[str, Any]
_LOOKED_AT = (
    torch,
    torch.nn.functional,
    torch.Tensor,
    torch.nn.Module,
    torch.nn.Linear,
    torch.nn.LayerNorm,
    json,
    random,
)
_FDS = Path("/proc/self/fd")  # where there is none, open files are not looked at


def changed(before: Prints, after: Prints) -> list[str]:
    """Names of what is no longer the same."""
    return [name for name in before if before[name] != after[name]]


def of_split(split: Any) -> Prints:
    """Rows and labels of a split."""
    rows = split.examples
    return {
        "labels": _digest(split.labels, split.golds),
        "rows": _digest(split.lengths, *(list(rows[name]) for name in sorted(rows.column_names))),
    }


def of_reader(reader: Any) -> Prints:
    """A tokenizer or an image reader; its state of padding and truncation is set anew by every call, and left out."""
    told = {name: repr(value) for name, value in vars(reader).items() if not name.startswith("_")}
    for name in ("padding_side", "truncation_side", "model_max_length", "special_tokens_map"):
        told[name] = repr(getattr(reader, name, None))
    backend = getattr(reader, "backend_tokenizer", None)
    if backend is not None:
        inside = json.loads(backend.to_str())
        told["backend"] = json.dumps({k: v for k, v in inside.items() if k not in ("padding", "truncation")})
    return told


def of_hooks(module: Any) -> Prints:
    """How many hooks hang on each module."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {name: sum(len(getattr(one, hooks)) for hooks in names) for name, one in module.named_modules()}


def of_process(subject: Subject) -> Prints:
    """What a pass may not leave changed in its process."""
    return {
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "functions": dict(_functions(subject)),
        "threads": Counter(one.name for one in threading.enumerate()),
        "files": Counter(_files()),
    }


def of_dice() -> Prints:
    """The states of the generators that the whole process shares."""
    return {"random": random.getstate(), "numpy": repr(np.random.get_state(legacy=False))}


def replaced(before: Prints, after: Prints) -> list[str]:
    """Functions that are others now, as ``Tensor.add``; what was loaded meanwhile is new, and none of them."""
    then, now = before["functions"], after["functions"]
    return [f"{owner.__name__}.{name}" for owner, name in then if now.get((owner, name)) is not then[owner, name]]


def put_back(before: Prints) -> None:
    """Put back what was changed since, so that a second look can see it again."""
    for (owner, name), value in before["functions"].items():
        if vars(owner).get(name) is not value:
            setattr(owner, name, value)
    if dict(os.environ) != before["environment"]:
        os.environ.clear()
        os.environ.update(before["environment"])
    cast(list[Any], warnings.filters)[:] = before["warnings"]


def _functions(subject: Subject) -> Iterator[tuple[tuple[Any, str], Any]]:
    """Functions of torch and of the model's classes; the function itself, as an id may be given again."""
    classes = dict.fromkeys(type(one) for one in subject.module.modules())
    for owner in (*_LOOKED_AT, *classes):
        for name, value in list(vars(owner).items()):
            if callable(value) and not isinstance(value, type):
                yield (owner, name), value


def _files() -> Iterator[str]:
    if _FDS.is_dir():
        for one in list(_FDS.iterdir()):
            try:
                target = os.readlink(one)
            except OSError:  # of the listing itself
                continue
            if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
                yield target


def _digest(*values: Any) -> str:
    digest = hashlib.sha256()
    for value in values:
        array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else object)
        digest.update(repr(array.tolist()).encode())
    return digest.hexdigest()
