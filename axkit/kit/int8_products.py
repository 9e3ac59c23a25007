"""Kernels that compute a product of 8-bit integers exactly; those to choose from give the same bits.

Each quantizes its inputs to 0..255 by the same rule, adds products of integers up, and scales the sums. A processor may
add pairs of products up in 16 bits (x86 without VNNI: ``vpmaddubsw``), where a sum saturates; ``fitting`` gives
layers for which that could happen two products of halved weights instead, which are exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Literal

import torch
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]  # (..., in) float32 -> (..., out) float32, on the CPU
Sums = Literal["exact", "saturate", "none"]

SIXTEEN_BITS = 32767
LARGEST_INPUT = 255  # of a quantized input
_TOGETHER = 4  # inputs lie side by side by fours in the kernels' layouts; pairs of them are added up


@dataclass(frozen=True)
class IntegerProduct:
    """y = x W^T + b.

    Attributes:
        weight: (out, in) int8.
        scale: (out,) float32.
        bias: (out,) float32, or none.
        grid: step and zero point of the inputs, which are fixed; None: each call's own.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None
    grid: tuple[float, int] | None

    @cached_property
    def could_saturate(self) -> bool:
        """Whether two products of some inputs and these weights can be more than 16 bits hold."""
        padded = torch.nn.functional.pad(self.weight.short(), (0, -self.weight.shape[1] % _TOGETHER))
        ranked = padded.view(-1, _TOGETHER).sort(-1).values
        most = int(ranked[..., -2:].clamp(min=0).sum(-1).max())
        least = int(ranked[..., :2].clamp(max=0).sum(-1).min())
        return LARGEST_INPUT * max(most, -least) > SIXTEEN_BITS


Make = Callable[[IntegerProduct], Kernel]


def _fused(engine: str, product: IntegerProduct) -> Kernel:
    """A quantized engine of PyTorch, which quantizes the inputs itself."""
    packed = _packed(engine, product)
    if product.grid is None:
        dynamic = torch.ops.quantized.linear_dynamic.default  # the overload by name: at batch 1 a product takes 20 us
        return lambda x: dynamic(x, packed, False)
    fixed, (step, zero) = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default, product.grid
    return lambda x: fixed(x, step, zero, packed)


@cache
def _heard_of_deprecation() -> None:
    """torch says once per process that the tensor type is deprecated; the kernels are not (decision 0004)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions", category=UserWarning)
        torch.quantize_per_tensor(torch.zeros(1), 1.0, 0, torch.quint8)


def input_steps(x: Tensor, step: float, zero: int) -> Tensor:
    """Inputs as the numbers 0..255 of their steps, uint8, rounded as PyTorch's engines do."""
    _heard_of_deprecation()
    return torch.quantize_per_tensor(x, step, zero, torch.quint8).int_repr()


def _packed(engine: str, product: IntegerProduct) -> object:
    _heard_of_deprecation()
    before = torch.backends.quantized.engine
    zeros = torch.zeros(len(product.scale), dtype=torch.long)
    quantized = torch._make_per_channel_quantized_tensor(product.weight, product.scale.double(), zeros, 0)
    torch.backends.quantized.engine = engine
    try:
        return torch.ops.quantized.linear_prepack(quantized, product.bias)
    finally:
        torch.backends.quantized.engine = before


def _pointwise(product: IntegerProduct) -> Kernel:
    """oneDNN's product of integers, as ``torch.compile`` calls it; inputs and sums are scaled by operators of PyTorch.

    The engines for x86 compute fma(sum, step * scale, bias); oneDNN would round once more before it adds the bias.
    """
    op = torch.ops.onednn.qlinear_pointwise.default
    packed = torch.ops.onednn.qlinear_prepack(product.weight, None)
    ones, zeros = torch.ones_like(product.scale), torch.zeros(len(product.scale), dtype=torch.int32)
    scale, grid = product.scale, product.grid
    bias = torch.zeros_like(scale) if product.bias is None else product.bias

    def computed(x: Tensor) -> Tensor:
        step, zero = grid or torch._choose_qparams_per_tensor(x)
        q = input_steps(x, step, zero)
        sums: Tensor = op(q, 1.0, zero, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], "")
        return torch.addcmul(bias, sums, scale * step, out=sums)

    return computed


KERNELS: dict[str, Make] = {
    **{engine: partial(_fused, engine) for engine in ("x86", "fbgemm", "onednn", "qnnpack")},
    "qlinear": _pointwise,
}


def halved(make: Make, product: IntegerProduct) -> Kernel:
    """The same sums as two products of weights up to 64, no pair of which can saturate: 255 * 2 * 64 < 32768."""
    half = product.weight.div(2, rounding_mode="trunc")
    one, other = make(replace(product, weight=half)), make(replace(product, weight=product.weight - half, bias=None))
    return lambda x: one(x) + other(x)


@cache
def sums(name: str, fixed: bool) -> Sums:
    """How a kernel adds up on this processor; ``none``: it is not there, or answers something else.

    Args:
        name: of the kernel.
        fixed: for inputs whose grid is fixed.
    """
    rows, inputs, outputs = 20, 64, 32
    x = torch.ones(rows, inputs)
    x[:, 0] = 0.0
    weight = torch.full((outputs, inputs), 127, dtype=torch.int8)
    found = []  # stays so where torch has no such kernel
    with suppress(RuntimeError, NotImplementedError, AttributeError, TypeError):
        kernel = KERNELS[name](
            IntegerProduct(weight, torch.ones(outputs), None, (1 / LARGEST_INPUT, 0) if fixed else None)
        )
        expected = 127.0 * (inputs - 1)
        found = [float(kernel(some).sub(expected).abs().max()) for some in (x, x[:1])]
    if not found:
        return "none"
    if max(found) < 1:
        return "exact"
    probe = IntegerProduct(weight // 2, torch.ones(outputs), None, (1 / LARGEST_INPUT, 0) if fixed else None)
    return "saturate" if float(KERNELS[name](probe)(x).sub(63.0 * (inputs - 1)).abs().max()) < 1 else "none"


@cache
def alike(name: str, other: str, fixed: bool) -> bool:
    """Whether two kernels give the same bits on this processor: tried on sizes that end within a vector.

    An input that lies between two steps may go to the next layer a step higher or lower where bits differ, and a logit
    then differs in the third decimal.
    """
    if sums(name, fixed) != sums(other, fixed):
        return False
    random = torch.Generator().manual_seed(0)
    weight = torch.randint(-63, 64, (45, 67), generator=random, dtype=torch.int8)
    scale, bias = torch.rand(45, generator=random) / 100, torch.randn(45, generator=random)
    product = IntegerProduct(weight, scale, bias, (0.03, 120) if fixed else None)
    one, two = KERNELS[name](product), KERNELS[other](product)
    rows = [torch.randn(count, 67, generator=random) for count in (1, 33, 260)]
    return all(torch.equal(one(x), two(x)) for x in rows)


@cache
def kernels_here(fixed: bool) -> tuple[str, ...]:
    """The kernels to choose from, the usual one first; all give the same bits on this processor.

    Args:
        fixed: for inputs whose grid is fixed.
    """
    there = [name for name in ("x86", "fbgemm", "onednn", "qlinear", "qnnpack") if sums(name, fixed) != "none"]
    if "x86" in there and "fbgemm" in there:  # one engine by two names
        there.remove("fbgemm")
    return tuple(name for name in there if name == there[0] or alike(name, there[0], fixed))


def fitting(name: str, product: IntegerProduct) -> Kernel:
    """A kernel for a product, exact on this processor."""
    make = KERNELS[name]
    if sums(name, product.grid is not None) == "saturate" and product.could_saturate:
        return halved(make, product)
    return make(product)
