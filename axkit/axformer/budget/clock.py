"""What a structure costs on the target: layers are timed beside the dense layer, the model is their sum."""

from __future__ import annotations

from typing import Any

from torch import nn

from axkit.anatomy.structure import Structure
from axkit.axformer.bench.workbench import Workbench
from axkit.axformer.budget.ledger import Ledger
from axkit.contract.tools import Tools
from axkit.ground import stopwatch
from axkit.ground.device import copied_to
from axkit.tasks.split import Split

_ROUNDS = 9
Shape = tuple[int, int, bool, bool, float, bool]  # heads, neurons, attention, ffn, K, first token alone


class Clock:
    """Predicts the throughput of a structure from measured layers.

    Every shape of a layer is timed once, in turn with the dense model's first layer, so that what the machine does
    meanwhile hits both alike; the whole models are timed in turn as well. Predictions are for batches of as many rows
    as the target has, as they come.

    Args:
        bench: of the model that is being carved.
        tools: the dense model, and real rows for both.
        ledger: where timings are kept.
        name: of this clock, no other of the search has it.
    """

    def __init__(self, bench: Workbench, tools: Tools, ledger: Ledger, name: str = "") -> None:
        assert tools.teacher is not None, "planned: the dense model is what it compares with"
        self._bench, self._ledger = bench, ledger
        self._target, self._device = tools.target, tools.target.here()
        self._inputs, its = (self._first(rows) for rows in (tools.search, tools.dense_rows))
        ours, dense = (copied_to(self._device, model) for model in (bench.subject.module, tools.teacher.module))
        path = bench.subject.family.layers
        layers = ours.base_model.get_submodule(path)
        self._calls = self._captured(ours, self._inputs, {x.index: layers[x.index] for x in bench.subject.layers})
        # always the same, as what was timed in one round is used in the next
        first = dense.base_model.get_submodule(path)[tools.teacher.layers[0].index]
        self._dense = dense, (), its
        self._reference = first, *self._captured(dense, its, {0: first})[0]
        self._layer, self._rest = 0.0, 0.0
        self._name, self._readings = name, 0
        self.set_right()

    def set_right(self) -> None:
        """Time the whole model as it is now, and predict from there: sums of layers drift from what was measured."""
        name = f"{self._name}.{self._readings}"  # a reading that noise spoiled must not be taken for good
        self._readings += 1
        self._layer, whole = self._ledger.ratios([f"layer {name}", f"whole {name}"], self._wholes)
        self._rest = whole - self._layers(self._bench.subject.structure)

    def _wholes(self) -> tuple[float, float]:
        """Time of the dense model's first layer, and of the carved model, as shares of the dense model's."""
        dense_s, layer_s, whole_s = self._least(
            self._dense,
            self._reference,
            (copied_to(self._device, self._bench.subject.module), (), self._inputs),
        )
        return layer_s / dense_s, whole_s / dense_s

    def speedup(self, structure: Structure) -> float:
        """Throughput of a structure, as a multiple of the dense model's."""
        return 1 / self.share(structure)

    def share(self, structure: Structure) -> float:
        """Time of a structure, as a share of the dense model's."""
        return self._rest + self._layers(structure)

    def _layers(self, structure: Structure) -> float:
        return sum(self._ratio(layer.index, structure) for layer in self._bench.subject.layers) * self._layer

    def _ratio(self, index: int, structure: Structure) -> float:
        """Time of a layer's shape, as a multiple of the dense model's first layer's."""
        layer = structure.layers[index]
        last = index == structure.last and self._bench.subject.structure.first_token_only
        shape = (len(layer.heads), len(layer.neurons), layer.attention, layer.ffn, layer.hard_k or 0, last)
        name = "/".join(f"{float(part):g}" for part in shape)
        return self._ledger.ratios([name], lambda: [self._timed(self._bench.carved(index, structure), index)])[0]

    def _timed(self, module: nn.Module, index: int) -> float:
        ours = copied_to(self._device, module)
        first_s, ours_s = self._least(self._reference, (ours, *self._calls[index]))
        return ours_s / first_s

    def _first(self, split: Split) -> dict[str, Any]:
        return split.batch(range(min(self._target.batch, len(split)))).on(self._device).inputs

    def _captured(self, model: Any, inputs: dict[str, Any], modules: dict[int, nn.Module]) -> dict[int, Any]:
        with self._target.computing():
            return _calls_of(model, inputs, modules)

    def _least(self, *runs: tuple[Any, Any, Any]) -> list[float]:
        """The shortest time of each (module, positional, named), in turn: what else runs can only make it longer."""
        with self._target.computing():
            turns = ([stopwatch.taken(self._device, *run).seconds for run in runs] for _ in range(_ROUNDS))
            return [min(times) for times in zip(*turns, strict=True)]


def _calls_of(model: Any, inputs: dict[str, Any], modules: dict[int, nn.Module]) -> dict[int, tuple[Any, Any]]:
    """(positional, named) arguments of each module's forward, when a model runs on some inputs."""
    calls: dict[int, tuple[Any, Any]] = {}

    def keep(index: int) -> Any:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
            calls[index] = (args, kwargs)

        return hook

    handles = [
        module.register_forward_pre_hook(keep(index), prepend=True, with_kwargs=True)
        for index, module in modules.items()
    ]
    model(**inputs)
    for handle in handles:
        handle.remove()
    return calls
