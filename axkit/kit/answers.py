"""What a model says of each row, kept: for whoever compares with it again and again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from axkit.ground.device import Device
from axkit.ground.progress import Progress, Silent
from axkit.tasks.split import Split


def row_logits(
    module: nn.Module, split: Split, device: Device, progress: Progress | None = None, told: str = ""
) -> Tensor | None:
    """Logits of every row, (rows, outputs), float32, on the CPU; None where an answer has the length of its input.

    Args:
        module: in eval mode.
        split: the rows, as the model's own reader makes them.
        device: where it is computed; the module is lent to it meanwhile.
        progress: told how far it is.
        told: in these words.
    """
    found = None
    with torch.inference_mode(), device.holding(module):
        for batch in (progress or Silent()).track(split.batches(64), told, -(-len(split) // 64)):
            logits = split.kind.logits(module(**batch.on(device).inputs)).float().cpu()
            if logits.dim() > 2:
                return None
            found = torch.zeros(len(split), logits.shape[1]) if found is None else found
            found[batch.rows] = logits
    return None if found is None else found.clone()  # no tensor of inference mode: training may read it
