"""Fake quantization: float modules that compute as their int8 counterparts will, while gradients pass through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from axkit.kit import embedding_at, input_grid, linear_at, to_int8, weight_matrix


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """``rounded`` in the forward pass, the gradient of ``value`` in the backward pass."""
    return value + (rounded - value).detach()


def rounded_rows(weight: Tensor) -> Tensor:
    """(rows, columns) as int8 stores it, with a scale per row; the gradient goes straight through."""
    codes, scale = to_int8(weight)
    return straight_through(weight, codes.to(weight.dtype) * scale[:, None].to(weight.dtype))


def rounded_inputs(x: Tensor, high: float) -> Tensor:
    """x on the 8-bit grid of (-high, high); beyond it x is clipped and has no gradient."""
    step, zero = input_grid((-high, high))
    clipped = x.clamp(-zero * step, (255 - zero) * step)
    return straight_through(clipped, (clipped / step).round() * step)


class RoundedInput:
    """A forward pre-hook: the first argument on the 8-bit grid of (-high, high)."""

    axkit_travels = True  # to what is cut from the layer

    def __init__(self, high: float) -> None:
        self.high = high

    def __call__(self, _: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(x, ...) -> (rounded x, ...)."""
        return (rounded_inputs(args[0], self.high), *args[1:])


def round_for_good(model: nn.Module, highest: Mapping[str, float], embeddings: Sequence[str]) -> None:
    """Let a float model compute as its int8 counterpart will, from now on.

    Args:
        model: changed in place.
        highest: linear layer -> largest absolute input.
        embeddings: names of those whose rows are rounded.
    """
    with torch.no_grad():
        for name, high in highest.items():
            linear = linear_at(model, name)
            if high:
                weight_matrix(linear).copy_(rounded_rows(weight_matrix(linear)))
                linear.register_forward_pre_hook(RoundedInput(high))
        for name in embeddings:
            weight = embedding_at(model, name).weight
            weight.copy_(rounded_rows(weight))


@contextmanager
def fake_quantized(
    model: nn.Module, names: Sequence[str], embeddings: bool, decay: float
) -> Iterator[dict[str, float]]:
    """While the block runs, these linear layers and the embeddings compute in fake 8 bits.

    Args:
        model: float.
        names: of linear layers.
        embeddings: round the rows that embeddings give, too.
        decay: of the moving average, per call in training mode.

    Yields:
        Linear layer -> moving average of its largest absolute input; filled while the model trains.
    """
    largest: dict[str, float] = {}
    handles = []
    for name in names:
        linear = linear_at(model, name)
        vars(linear)["forward"] = _fake_forward(linear, name, largest, decay)
    for module in model.modules():
        if embeddings and isinstance(module, nn.Embedding):
            handles.append(module.register_forward_hook(_round_output))
    try:
        yield largest
    finally:
        for name in names:
            del model.get_submodule(name).forward  # the class's own is seen again
        for handle in handles:
            handle.remove()


def _fake_forward(linear: nn.Linear, name: str, largest: dict[str, float], decay: float) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        if linear.training and x.numel():
            now = float(x.detach().abs().max())
            largest[name] = decay * largest[name] + (1 - decay) * now if name in largest else now
        if largest.get(name):
            x = rounded_inputs(x, largest[name])
        return nn.functional.linear(x, rounded_rows(weight_matrix(linear)), linear.bias)

    return forward


def _round_output(_: nn.Module, __: object, output: Tensor) -> Tensor:
    """A looked-up row is rounded alone, as its scale is its own."""
    rows = output.flatten(0, -2)
    return rounded_rows(rows).view_as(output) if torch.is_floating_point(output) else output
