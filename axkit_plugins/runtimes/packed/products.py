"""Linear layers, tables, norms and activations as functions of tensors, by how their weights are stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from axkit.kit import Fused, IntegerKernels, IntegerProduct, fake_quantize, on_grid, prepacked
from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Linear, Matrix, Nibbles
from axkit_plugins.runtimes.network.network import Norm

Function = Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Function] = {
    "": lambda x: x,
    "gelu": functional.gelu,
    "gelu_10": lambda x: functional.gelu(x).clamp(-10, 10),
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "hardswish": functional.hardswish,
    "laplace": lambda x: 0.5 * (1.0 + torch.erf((x - 0.707107) / (0.282095 * 2**0.5))),
    "leaky_relu": functional.leaky_relu,
    "mish": functional.mish,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": torch.relu,
    "relu2": lambda x: torch.relu(x).square(),
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "tanh": torch.tanh,
}

_FUSED: tuple[Fused, ...] = ("gelu", "gelu_tanh", "relu", "tanh")


def tensor_of(array: Array, dtype: torch.dtype) -> Tensor:
    """A copy, in another precision where it is one of floats."""
    made = torch.from_numpy(array).clone()  # aligned as PyTorch does it: kernels may sum up otherwise where it is not
    return made.to(dtype) if made.is_floating_point() else made


def linear(layer: Linear, dtype: torch.dtype, activated: str = "") -> Function:
    """(tokens, inputs) -> (tokens, outputs).

    Args:
        layer: its integers of 8 bits are multiplied as they are where the others are computed in float32.
        dtype: of inputs and outputs.
        activated: the activation behind it, a value of ``ACTIVATIONS``.
    """
    after = _ACTIVATIONS[activated]
    if isinstance(layer.weight, Bytes) and dtype == torch.float32:
        product = _in_bytes(layer.weight, layer.bias)
        return (lambda x: after(product(x))) if activated else product
    weight = tensor_of(layer.weight.expanded(), dtype)
    bias = None if layer.bias is None else tensor_of(layer.bias, dtype)
    if isinstance(layer.weight, Nibbles) and layer.weight.activation_bits is not None:
        vector, bits = layer.weight.vector, layer.weight.activation_bits
        return lambda x: after(functional.linear(fake_quantize(x, vector, bits), weight, bias))
    if activated in _FUSED:
        packed = prepacked(weight, bias, activated)
        if packed is not None:
            return packed
    plain = prepacked(weight, bias) or (lambda x: functional.linear(x, weight, bias))
    return (lambda x: after(plain(x))) if activated else plain


def _in_bytes(weight: Bytes, bias: Array | None) -> Function:
    """Integers of the pass ``int8``, by the kernel that is the fastest on this processor; without one in float32."""
    codes, scale = torch.from_numpy(weight.codes).clone(), tensor_of(weight.scale, torch.float32)
    offset = None if bias is None else tensor_of(bias, torch.float32)
    chosen, grid = IntegerKernels(IntegerProduct(codes, scale, offset, weight.grid)), weight.grid

    def product(x: Tensor) -> Tensor:
        kernel = chosen.kernel(x)
        if kernel is not None:
            return kernel(x)
        if grid is not None:
            x = on_grid(x, *grid)
        return functional.linear(x, codes * scale[:, None], offset)

    return product


def table(rows: Matrix, dtype: torch.dtype) -> Function:
    """Rows of a table: (...) int64 -> (..., width)."""
    if isinstance(rows, Floats):
        return partial(_looked_up, tensor_of(rows.values, dtype))
    if isinstance(rows, Bytes):
        codes, scale = torch.from_numpy(rows.codes).clone(), tensor_of(rows.scale[:, None], torch.float32)
        return lambda ids: (functional.embedding(ids, codes) * functional.embedding(ids, scale)).to(dtype)
    return partial(_looked_up, tensor_of(rows.expanded(), dtype))


def _looked_up(weight: Tensor, ids: Tensor) -> Tensor:
    return functional.embedding(ids, weight)


def norm(of: Norm | None, dtype: torch.dtype) -> Function | None:
    """LayerNorm over the last dimension; None where there is none."""
    if of is None:
        return None
    weight, bias = tensor_of(of.weight, dtype), None if of.bias is None else tensor_of(of.bias, dtype)
    shape, epsilon = weight.shape, of.epsilon
    return lambda x: torch.layer_norm(x, shape, weight, bias, epsilon)


def activation(name: str) -> Function:
    """Of a value of ``ACTIVATIONS``."""
    return _ACTIVATIONS[name]
