"""What the processor at hand can do."""

from __future__ import annotations

import torch


def has_bfloat16() -> bool:
    """True where matrix products in bfloat16 run in hardware."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
