"""Which layers would saturate where pairs of products are added up in 16 bits: x86 processors without VNNI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from axkit.kit import LARGEST_INPUT, SIXTEEN_BITS, input_steps, run_rows, watched_inputs
from axkit_plugins.quantize.int8.modules import Int8Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axkit import Split

_BATCH = 32
_AT_ONCE = 1 << 22  # sums that are looked at together


@dataclass
class _Pairs:
    """The pairs of weights of a layer whose sum could saturate, and how often it would have.

    Attributes:
        where: (pairs,) index of the first of two neighbouring inputs.
        weights: (pairs, 2) int32.
        every: pairs of the layer, those that never saturate too.
        seen: sums that were formed of all pairs.
        over: of them, those beyond 16 bits.
    """

    where: Tensor
    weights: Tensor
    every: int
    seen: int = 0
    over: int = 0

    @classmethod
    def of(cls, weight: Tensor) -> _Pairs:
        """Of (out, in) int8."""
        padded = nn.functional.pad(weight.int(), (0, weight.shape[1] % 2))
        pairs = padded.view(len(weight), -1, 2)
        most = torch.maximum(pairs.clamp(min=0).sum(-1), -pairs.clamp(max=0).sum(-1))
        could = LARGEST_INPUT * most > SIXTEEN_BITS
        return cls(2 * could.nonzero()[:, 1], pairs[could], could.numel())

    def count(self, inputs: Tensor) -> None:
        """Form the sums of some inputs, (rows, in) whole numbers 0..255."""
        self.seen += len(inputs) * self.every
        if not len(self.where):
            return
        padded = nn.functional.pad(inputs, (0, inputs.shape[1] % 2))
        for some in torch.split(padded, max(1, _AT_ONCE // len(self.where))):
            sums = some[:, self.where] * self.weights[:, 0] + some[:, self.where + 1] * self.weights[:, 1]
            self.over += int((sums.gt(SIXTEEN_BITS) | sums.lt(-SIXTEEN_BITS - 1)).sum())


@dataclass(frozen=True)
class Saturating:
    """A layer that would saturate.

    Attributes:
        layer: its name.
        per_million: of its sums of two products, on the rows looked at.
    """

    layer: str
    per_million: float

    def to_json(self) -> dict[str, str | float]:
        """A row of a table in the report."""
        return {"layer": self.layer, "saturated_sums_per_million": self.per_million}


def saturating(model: nn.Module, names: Sequence[str], split: Split, rows: int) -> list[Saturating]:
    """The layers in which a sum of two products goes beyond 16 bits on some rows, the worst first.

    Args:
        model: quantized, in eval mode, on the CPU.
        names: of its int8 layers.
        split: whose first rows are run; its labels are not used.
        rows: at most.
    """
    layers = {name: model.get_submodule(name) for name in names}
    pairs = {name: _Pairs.of(layer.weight) for name, layer in layers.items() if isinstance(layer, Int8Linear)}

    def look(name: str, layer: nn.Module, inputs: Tensor) -> None:
        assert isinstance(layer, Int8Linear)
        step, zero = layer.grid or torch._choose_qparams_per_tensor(inputs)
        pairs[name].count(input_steps(inputs.float(), step, zero).int())

    with watched_inputs(model, pairs, look):
        for _ in run_rows(model, split, rows, _BATCH):
            pass
    found = [Saturating(name, 1e6 * one.over / one.seen) for name, one in pairs.items() if one.over]
    return sorted(found, key=lambda one: -one.per_million)


def warning(found: Sequence[Saturating], layers: int) -> str:
    """What the stage's note says of them, with the way out; empty where there are none."""
    if not found:
        return ""
    return (
        f"On x86 processors without VNNI sums of {len(found)} of {layers} layers would saturate ({found[0].layer} "
        f"first): there axkit computes them in two products, other runtimes wrongly; 'reduce_range: true' avoids both."
    )
