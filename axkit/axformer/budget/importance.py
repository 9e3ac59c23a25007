"""Which heads and neurons of a layer matter least: a first-order Taylor estimate.

Source: Michel et al. 2019, arXiv 1905.10650 (heads); Molchanov et al. 2019, arXiv 1906.10771 (neurons): the change of
the loss when an activation goes to zero is about activation times gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from axkit.contract.subject import Subject
from axkit.ground.device import device_of
from axkit.tasks.split import Split

_ROWS = 256


def importance(subject: Subject, split: Split, head_size: int) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Mean over rows of the absolute change of a row's loss, in nats, as first order has it.

    Args:
        subject: left as it is, and asked where it is.
        split: rows with labels; the first 256 are used.
        head_size: values per head.

    Returns:
        Per layer that has the block: of its heads, (heads left,), and of its neurons, (neurons left,).
    """
    seen: dict[tuple[str, int], list[Tensor]] = {}  # of a shared layer, what enters in each turn
    handles = []

    def keep(role: str, index: int) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            if args[0].requires_grad:
                args[0].retain_grad()
                seen.setdefault((role, index), []).append(args[0])

        return hook

    for layer in subject.layers:
        left = subject.structure.layers[layer.index]
        for role, there in (("attention_out", left.attention and left.heads), ("ffn_out", left.ffn and left.neurons)):
            if there:
                handles.append(getattr(layer, role).register_forward_pre_hook(keep(role, layer.index)))
    totals: dict[tuple[str, int], Tensor] = {}
    device = device_of(subject.module)
    some = split.first(_ROWS)
    try:
        for batch in some.batches(32):
            seen.clear()
            with torch.enable_grad():
                logits = split.kind.logits(subject.module(**batch.on(device).inputs)).cpu()
                loss: Any = split.kind.losses(logits, batch.labels).sum()
                loss.backward()
            for key, turns in seen.items():
                change = torch.stack([_change(one) for one in turns]).sum(0)  # (rows, columns)
                if key[0] == "attention_out":
                    change = change.view(len(change), -1, head_size).sum(-1)
                totals[key] = totals.get(key, torch.zeros(())) + change.abs().sum(0).cpu()
    finally:
        subject.module.zero_grad(set_to_none=True)
        for handle in handles:
            handle.remove()
    found = {role: {key[1]: total / len(some) for key, total in totals.items() if key[0] == role} for role in _ROLES}
    return found["attention_out"], found["ffn_out"]


def _change(value: Tensor) -> Tensor:
    """Of a row's loss where a column goes to zero, as first order has it: (rows, columns)."""
    assert value.grad is not None, "retained"
    return (value.detach() * value.grad).flatten(1, -2).sum(1)


_ROLES = ("attention_out", "ffn_out")
