"""Linear layers computed from weights in oneDNN's own layout: the same sums, a tenth to a seventh sooner on a CPU.

A search runs the same weights over hundreds of batches, so turning them once pays; a served model gains less.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

_ROWS = 512  # the layout is chosen for products of about this many rows


class PackedLinears(AbstractContextManager["PackedLinears"]):
    """While it is entered, ``nn.Linear`` on the CPU takes packed weights, in the whole process; autocast is obeyed.

    Weights are packed at first use and forgotten with their tensor; a weight that was changed in place is packed anew.
    The class's own ``forward`` is replaced for that long: a mode that sees every function of torch costs a tenth of a
    small model's time.
    """

    def __init__(self) -> None:
        self._packed: dict[torch.dtype, Any] = {d: WeakTensorKeyDictionary() for d in (torch.float32, torch.bfloat16)}
        self._can = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        self._plain: list[Any] = []

    def __enter__(self) -> PackedLinears:
        self._plain.append(nn.Linear.forward)
        if self._can:
            plain, packed = nn.Linear.forward, self._linear

            def forward(module: nn.Linear, inputs: Tensor) -> Tensor:
                weight = module.weight
                dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else weight.dtype
                if weight.device.type == "cpu" and dtype in self._packed and inputs.numel():
                    return packed(dtype, inputs, weight, module.bias)
                return plain(module, inputs)

            nn.Linear.forward = forward  # type: ignore[assignment,method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        nn.Linear.forward = self._plain.pop()  # type: ignore[method-assign]

    def _linear(self, dtype: torch.dtype, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found = self._packed[dtype].get(weight)
        if found is None or found[0] != weight._version:
            plain = weight.detach().to(dtype).contiguous()
            turned = torch.ops.mkldnn._reorder_linear_weight(plain, _ROWS)
            found = weight._version, turned, None if bias is None else bias.detach().to(dtype)
            self._packed[dtype][weight] = found
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs.to(dtype).contiguous(), found[1], found[2], "none", [], ""
        )
        return product
