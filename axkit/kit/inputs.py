"""The values that reach linear layers: watched, and the ranges that they take on training rows.

Ranges are also what two passes may meet in. One that has learned them, as ``q8bert`` does, leaves them in the state of
its result under the key ``KEY``; one that quantizes activations, as ``int8`` does, asks the trail for the newest.
Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from axkit.contract.subject import Subject
from axkit.ground.device import device_of
from axkit.tasks.split import Split

Range = tuple[float, float]
"""What the values of a tensor lie in: (low, high), low <= 0 <= high."""
KEY = "activation_ranges"  # of a state: name of a linear layer -> [low, high]
PERCENTILE = 99.99  # of the inputs of a batch; what lies beyond is clipped
DECAY = 0.9  # of the moving average, per batch of 32
_BATCH = 32
_SAMPLE = 1_000_000  # values per batch and layer that a percentile is taken of


class Look(Protocol):
    """What ``watched_inputs`` calls."""

    def __call__(self, name: str, linear: nn.Module, inputs: Tensor, /) -> None:
        """A linear layer is about to compute for these inputs, (tokens, in), without gradients."""


@contextmanager
def watched_inputs(model: nn.Module, names: Iterable[str], look: Look) -> Iterator[None]:
    """While the block runs, ``look(name, linear, inputs)`` is told of every call of these linear layers."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda module, args: look(name, module, args[0].detach().flatten(0, -2))

    handles = [model.get_submodule(name).register_forward_pre_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run_rows(model: nn.Module, split: Split, rows: int, size: int) -> Iterator[int]:
    """Run a model on the first rows of a split, whose order is random, without gradients.

    One length at a time, as ``Split.batches`` sorts them, would weigh long rows too little.

    Args:
        model: in eval mode.
        split: its labels are not used.
        rows: at most.
        size: rows of a batch.

    Yields:
        How many rows were run by then, after each batch.
    """
    for start in range(0, min(rows, len(split)), size):
        end = min(start + size, rows, len(split))
        with torch.inference_mode():
            model(**split.batch(range(start, end)).on(device_of(model)).inputs)
        yield end


def input_ranges(
    model: nn.Module, names: Sequence[str], split: Split, rows: int, how: Literal["percentile", "ema"] = "percentile"
) -> dict[str, Range]:
    """Linear layer -> the range to quantize its inputs to, (low, high) with low <= 0 <= high.

    Args:
        model: float, in eval mode.
        names: of linear layers.
        split: whose first rows are run, in batches of 32; train, as search decides.
        rows: at most.
        how: mean over batches of a percentile at both ends, or a moving average of the extremes.
    """
    found: dict[str, Tensor] = {}
    batches = 0

    def look(name: str, linear: nn.Module, inputs: Tensor) -> None:
        ends = _ends(inputs.float().flatten(), how)
        if name not in found:
            found[name] = ends
        elif how == "ema":
            found[name] = DECAY * found[name] + (1 - DECAY) * ends
        else:
            found[name] = (found[name] * batches + ends) / (batches + 1)

    with watched_inputs(model, names, look):
        for _ in run_rows(model, split, rows, _BATCH):
            batches += 1
    return {name: (float(ends[0]), float(ends[1])) for name, ends in found.items()}


def mean_squares(model: nn.Module, names: Sequence[str], split: Split, rows: int, size: int = 16) -> dict[str, Tensor]:
    """Linear layer -> mean square of each of its inputs, (in,): what an error in that column costs at the output.

    Args:
        model: float, in eval mode.
        names: of linear layers; one that was never called is left out.
        split: whose first rows are run; train, as search decides.
        rows: at most; 0 gives nothing.
        size: rows of a batch.
    """
    total: dict[str, Tensor] = {}
    count: dict[str, int] = {}

    def look(name: str, linear: nn.Module, inputs: Tensor) -> None:
        squares = inputs.float().square().sum(0)
        total[name] = total[name] + squares if name in total else squares
        count[name] = count.get(name, 0) + len(inputs)

    with watched_inputs(model, names, look):
        for _ in run_rows(model, split, rows, size):
            pass
    return {name: (squares / count[name]).clone() for name, squares in total.items()}


def _ends(values: Tensor, how: str) -> Tensor:
    """(low, high) of a batch's inputs, 0 included."""
    if how == "percentile":
        step = max(1, len(values) // _SAMPLE)
        share = torch.tensor([1 - PERCENTILE / 100, PERCENTILE / 100]).to(values.device)
        ends = torch.quantile(values[::step], share)
    else:
        ends = torch.stack([values.min(), values.max()])
    return torch.stack([ends[0].clamp(max=0.0), ends[1].clamp(min=0.0)])


def state_of_ranges(ranges: Mapping[str, Range]) -> dict[str, dict[str, list[float]]]:
    """The part of a pass's state by which later passes find ranges that it has learned, as JSON."""
    return {KEY: {name: [low, high] for name, (low, high) in ranges.items()}}


def ranges_of_state(state: Mapping[str, object]) -> dict[str, Range] | None:
    """The inverse of ``state_of_ranges``; None where a state holds no ranges."""
    found = state.get(KEY)
    if not isinstance(found, Mapping):
        return None
    return {name: (ends[0], ends[1]) for name, ends in found.items()}


def learned_ranges(subject: Subject) -> dict[str, Range] | None:
    """The ranges that the last pass which learned some has left; None where no pass of the trail has."""
    for step in reversed(subject.trail):
        found = ranges_of_state(step.state) if step.state else None
        if found is not None:
            return found
    return None
