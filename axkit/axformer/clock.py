"""What a structure costs on this machine: layers are timed beside the dense layer, the model is their sum."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from axkit.anatomy.structure import Structure
from axkit.axformer.trial import Workbench
from axkit.tasks.split import Split

_BATCH = 32
_ROUNDS = 7
Shape = tuple[int, int, bool, bool, float, bool]  # heads, neurons, attention, ffn, K, first token alone


class Clock:
    """Predicts the throughput of a structure from measured layers.

    Every shape of a layer is timed once, in turn with the dense layer, so that what the machine does meanwhile hits
    both alike; the prediction is for batches of 32 rows of the split's median length.

    Args:
        bench: of the model that is being carved.
        dense: the model that it is compared with.
        split: real inputs.
        known: ratios to the dense layer that an interrupted search measured, by the shape's name.
        tell: called with the name and the ratio of each shape that is timed.
    """

    def __init__(
        self, bench: Workbench, dense: Any, split: Split, known: dict[str, float], tell: Callable[[str, float], None]
    ) -> None:
        self._bench, self._known, self._tell = bench, dict(known), tell
        order = split.lengths.argsort()
        middle = max(0, len(order) // 2 - _BATCH // 2)
        self._inputs = split.batch(order[middle : middle + _BATCH].tolist()).inputs
        self._calls = self._captured()
        start = bench.subject.layers[0]
        first = start.module
        self._reference = (first, *self._calls[start.index])
        with torch.inference_mode():
            self.dense_s = _median(lambda: dense(**self._inputs))
            whole = _median(lambda: bench.subject.module(**self._inputs))
            self._layer_s = _median(lambda: first(*self._reference[1], **self._reference[2]))
        self.rest_s = max(0.0, whole - self._layers_s(bench.subject.structure))

    def speedup(self, structure: Structure) -> float:
        """Throughput of a structure, as a multiple of the dense model's."""
        return self.dense_s / (self.rest_s + self._layers_s(structure))

    def seconds(self, structure: Structure) -> float:
        """Of one batch."""
        return self.rest_s + self._layers_s(structure)

    def _layers_s(self, structure: Structure) -> float:
        return sum(self._ratio(layer.index, structure) for layer in self._bench.subject.layers) * self._layer_s

    def _ratio(self, index: int, structure: Structure) -> float:
        """Time of a layer's shape, as a multiple of the first layer's at the start."""
        layer = structure.layers[index]
        last = index == structure.last and self._bench.subject.structure.first_token_only
        shape = (len(layer.heads), len(layer.neurons), layer.attention, layer.ffn, layer.hard_k or 0, last)
        name = "/".join(f"{float(part):g}" for part in shape)
        if name not in self._known:
            self._known[name] = self._timed(self._bench.carved(index, structure), index)
            self._tell(name, self._known[name])
        return self._known[name]

    def _timed(self, module: nn.Module, index: int) -> float:
        reference, args, kwargs = self._reference
        ours = self._calls[index]
        ratios = []
        with torch.inference_mode():
            for _ in range(_ROUNDS):
                dense_s = _seconds(lambda: reference(*args, **kwargs))
                ratios.append(_seconds(lambda: module(*ours[0], **ours[1])) / dense_s)
        return statistics.median(ratios)

    def _captured(self) -> dict[int, tuple[Any, Any]]:
        """(positional, named) arguments of each layer's forward on the batch."""
        calls: dict[int, tuple[Any, Any]] = {}

        def keep(index: int) -> Any:
            def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
                calls[index] = (args, kwargs)

            return hook

        handles = [
            layer.module.register_forward_pre_hook(keep(layer.index), prepend=True, with_kwargs=True)
            for layer in self._bench.subject.layers
        ]
        with torch.inference_mode():
            self._bench.subject.module(**self._inputs)
        for handle in handles:
            handle.remove()
        return calls


def _median(run: Callable[[], Any]) -> float:
    return statistics.median(_seconds(run) for _ in range(_ROUNDS))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
