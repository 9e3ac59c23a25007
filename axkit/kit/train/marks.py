"""What a Trainer leaves behind in its process, and its end: on the model, in its config, in the environment."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

# older transformers write the precision of one training here, where the next one reads it; launchers do too
_PRECISION = "ACCELERATE_MIXED_PRECISION"


@contextmanager
def left_as_found(model: Any) -> Iterator[None]:
    """Take off at the end of the block whatever it hung on a model, so that the next training starts like the first.

    accelerate wraps ``forward`` in autocast and marks the model as prepared. With the wrapper left, the model would go
    on computing in bfloat16; with the mark alone, the next Trainer would believe the wrapper to be there and train in
    float32. So nothing is known here by name: attributes and hooks that were not there before go, functions that were
    replaced come back. Weights, modes and counters keep what the block made of them.

    Args:
        model: a torch module; those in it are looked after as well.
    """
    before = {module: dict(vars(module)) for module in model.modules()}
    hooks = {module: {name: list(vars(module)[name]) for name in _hooks(module)} for module in before}
    config = getattr(model, "config", None)
    cached = getattr(config, "use_cache", None)  # a Trainer switches it off, and a model so changed looks faster
    precision = os.environ.pop(_PRECISION, None)
    try:
        yield
    finally:
        for module, old in before.items():
            _put_back(vars(module), old)
            for name, ids in hooks[module].items():
                for new in vars(module)[name].keys() - set(ids):
                    del vars(module)[name][new]
        if cached is not None and config is not None:
            config.use_cache = cached
        os.environ.pop(_PRECISION, None)
        if precision is not None:
            os.environ[_PRECISION] = precision


@contextmanager
def dice_as_found() -> Iterator[None]:
    """Put back the generators that Python and NumPy keep for the whole process: a Trainer seeds them, unasked.

    torch's own stays where the block left it: the engine seeds it before each pass.
    """
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _put_back(now: dict[str, Any], old: dict[str, Any]) -> None:
    for name in now.keys() - old.keys():
        del now[name]
    for name, value in old.items():
        if callable(value) and now.get(name) is not value:
            now[name] = value


def _hooks(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if name.endswith("_hooks") and isinstance(value, dict)]
