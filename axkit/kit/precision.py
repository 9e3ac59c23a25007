"""A model's weights in another precision."""

from __future__ import annotations

import torch
from torch import nn


def convert(model: nn.Module, dtype: torch.dtype) -> None:
    """All that is saved; what a model makes itself (ModernBERT's rotations) stays as a reload will make it."""
    own = [(m, name, getattr(m, name)) for m in model.modules() for name in m._non_persistent_buffers_set]
    model.to(dtype)
    for module, name, value in own:
        setattr(module, name, value)
