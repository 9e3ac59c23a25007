"""A model's weights in another precision."""

from __future__ import annotations

from typing import Any


def convert(model: Any, dtype: Any) -> None:
    """All that is saved; what a model makes itself (ModernBERT's rotations) stays as a reload will make it."""
    own = [(m, name, getattr(m, name)) for m in model.modules() for name in m._non_persistent_buffers_set]
    model.to(dtype)
    for module, name, value in own:
        setattr(module, name, value)
