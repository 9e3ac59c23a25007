"""What a model says of each row, kept: for whoever compares with it again and again."""

from __future__ import annotations

import torch
from torch import nn

from axkit.ground.device import Device
from axkit.ground.progress import Progress, Silent
from axkit.tasks.kinds.wanted import Wanted, own
from axkit.tasks.split import Split

MOST_BYTES = 2**30  # that answers may take in memory; answers to tokens of many rows are more than they are worth


def row_logits(
    module: nn.Module, split: Split, device: Device, progress: Progress | None = None, told: str = ""
) -> Wanted | None:
    """Logits of every example, float32, on the CPU; None where they would take more than ``MOST_BYTES``.

    Args:
        module: in eval mode.
        split: the rows, as the model's own reader makes them.
        device: where it is computed; the module is lent to it meanwhile.
        progress: told how far it is.
        told: in these words.
    """
    found: list[torch.Tensor] = [torch.empty(0)] * len(split)
    with torch.no_grad(), device.holding(module):  # no tensors of inference mode: training reads them
        for batch in (progress or Silent()).track(split.batches(64), told, -(-len(split) // 64)):
            logits = split.kind.logits(module(**batch.on(device).inputs)).float().cpu()
            values = split.lengths.sum() if logits.dim() > 2 else len(split)
            if 4 * int(values) * logits.shape[-1] > MOST_BYTES:
                return None
            for place, row in enumerate(batch.rows.tolist()):
                found[row] = own(logits[place], int(split.lengths[row]))
    return Wanted.of(found)
