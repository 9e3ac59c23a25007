"""How much the answers feel what leaves a block: which of two equal errors is the worse.

Source: the Fisher information of a model's own answers, as in Kwon et al. 2022, arXiv 2204.09656 (which masks lose
least); here of the outputs of a block, so that its order of removal goes by what the answers lose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from axkit.contract.subject import Subject
from axkit.ground.device import device_of
from axkit.kit.calibrate import BLOCKS, Block, Calibration, has_parts
from axkit.tasks.kinds.base import TaskKind
from axkit.tasks.split import Batch

_SEED = 0


def worths(subject: Subject, calibration: Calibration, kind: TaskKind) -> Mapping[Block, Tensor]:
    """Second moments of the gradients of a divergence with respect to what leaves each block; no label is used.

    The answers that are wished for are the model's own with unit normal noise on the logits: the gradients' second
    moments are then those of the Fisher information with its curvature once more, and where an answer is sure of itself
    they are small.

    Args:
        subject: left as it is, and asked where it is.
        calibration: rows.
        kind: of the task.

    Returns:
        (layer, block) -> (outputs, outputs), float64, of each block that has parts left.
    """
    noise, found = torch.Generator().manual_seed(_SEED), dict[Block, Tensor]()
    for batch in calibration.batches:
        for block, pulls in _pulls(subject, batch, kind, noise).items():
            pulls = pulls.flatten(0, -2).float()  # as sums of products: of a model in 16 bits, too
            found[block] = found.get(block, 0) + (pulls.T @ pulls).double()
    return found


def _pulls(subject: Subject, batch: Batch, kind: TaskKind, noise: torch.Generator) -> dict[Block, Tensor]:
    """The gradient at each block's output, (rows, tokens, outputs); of a shared layer that of all its turns."""
    seen: dict[Block, list[Tensor]] = {}
    handles = [
        getattr(layer, f"{what}_out").register_forward_hook(_kept(seen.setdefault((layer.index, what), [])))
        for layer in subject.layers
        for what in BLOCKS
        if has_parts(subject, layer.index, what)
    ]
    batch = batch.on(device_of(subject.module))
    try:
        with torch.enable_grad():
            logits = kind.logits(subject.module(**batch.inputs)).float().cpu()
            wish = logits.detach() + torch.randn(logits.shape, generator=noise)
            pull: Any = kind.soft_losses(logits, wish, batch.labels, 1.0).sum()
            pull.backward()
    finally:
        subject.module.zero_grad(set_to_none=True)
        for handle in handles:
            handle.remove()
    return {block: torch.cat([_gradient(one) for one in outputs]) for block, outputs in seen.items()}


def _gradient(output: Tensor) -> Tensor:
    return torch.zeros_like(output) if output.grad is None else output.grad


def _kept(outputs: list[Tensor]) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
    def hook(_: nn.Module, __: tuple[Any, ...], output: Tensor) -> None:
        if not output.requires_grad:  # of a model that is frozen
            output.requires_grad_()
        output.retain_grad()
        outputs.append(output)

    return hook
