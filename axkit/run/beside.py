"""A result in float32 beside a copy in bfloat16: which is faster on this machine is measured, not supposed."""

from __future__ import annotations

import torch

from axkit.contract.subject import Subject
from axkit.ground.cpu import has_bfloat16
from axkit.kit.precision import convert
from axkit.kit.sizes import weight_bytes
from axkit.measure.speed import relative_speeds
from axkit.run.records import StoredAs
from axkit.tasks.split import Split

_WHOLE = {torch.float32, torch.int64, torch.bool}  # of weights, and of what counts positions


def beside_bfloat16(subject: Subject, split: Split) -> list[StoredAs]:
    """Both, timed in turn, the result last; none where it is no float32 model, or there is no bfloat16 to measure.

    Args:
        subject: on the CPU; left as it is.
        split: rows to time on; their order is taken as it comes.
    """
    if not (subject.has_module and has_bfloat16()):
        return []
    model = subject.module.eval()
    if {one.dtype for one in model.state_dict().values() if isinstance(one, torch.Tensor)} - _WHOLE:
        return []
    half = subject.copy().module.eval()
    convert(half, torch.bfloat16)
    return [
        StoredAs("bfloat16", *relative_speeds(half, model, split), float(weight_bytes(half))),
        StoredAs("float32", 1.0, 1.0, float(weight_bytes(model))),
    ]
