"""What a structure costs on the target: layers are timed beside the dense layer, the model is their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from axkit.anatomy.structure import Structure
from axkit.axformer.bench.workbench import Workbench
from axkit.axformer.budget.ledger import Ledger
from axkit.contract.tools import Tools
from axkit.ground import stopwatch
from axkit.ground.device import copied_to
from axkit.ground.target import Target
from axkit.measure.inputs import real_batch
from axkit.tasks.split import Split

_ROUNDS = 9
Call = tuple[Any, Any, Any]  # module, positional, named
Shape = tuple[int, int, bool, bool, float, bool]  # heads, neurons, attention, ffn, K, first token alone


def started(bench: Workbench, tools: Tools, ledger: Ledger, name: str = "") -> Clock:
    """A clock that has timed the dense model and the one that is being carved.

    Args:
        bench: of the model that is being carved.
        tools: the dense model, and real rows for both.
        ledger: where timings are kept.
        name: of this clock, no other of the search has it.
    """
    assert tools.teacher is not None, "planned: the dense model is what it compares with"
    timer = Timer(tools.target)
    inputs, its = (timer.inputs(rows) for rows in (tools.search, tools.dense_rows))
    ours, dense = (copied_to(timer.device, model) for model in (bench.subject.module, tools.teacher.module))
    path = bench.subject.family.layers
    layers = ours.base_model.get_submodule(path)
    calls = timer.calls(ours, inputs, {x.index: layers[x.index] for x in bench.subject.layers})
    # always the same, as what was timed in one round is used in the next
    first = dense.base_model.get_submodule(path)[tools.teacher.layers[0].index]
    reference = first, *timer.calls(dense, its, {0: first})[0]
    clock = Clock(bench, ledger, timer, Beside(inputs, calls, (dense, (), its), reference), name)
    clock.set_right()
    return clock


class Timer:
    """Runs modules on the target.

    Args:
        target: what is timed for.
    """

    def __init__(self, target: Target) -> None:
        self.target, self.device = target, target.here()

    def inputs(self, split: Split) -> dict[str, Any]:
        """As many rows as the target has in a batch, as they come."""
        return real_batch(split, self.target.batch).on(self.device).inputs

    def calls(self, model: Any, inputs: dict[str, Any], modules: dict[int, nn.Module]) -> dict[int, Any]:
        """(positional, named) arguments of each module's forward, when a model runs on some inputs."""
        with self.target.computing():
            return _calls_of(model, inputs, modules)

    def least(self, *runs: Call) -> list[float]:
        """The shortest time of each call, in turn, in seconds: what else runs can only make it longer."""
        with self.target.computing():
            turns = ([stopwatch.taken(self.device, *run).seconds for run in runs] for _ in range(_ROUNDS))
            return [min(times) for times in zip(*turns, strict=True)]


@dataclass(frozen=True)
class Beside:
    """What is timed in turn with a layer.

    Attributes:
        inputs: of the model that is being carved.
        calls: arguments of its layers, by index.
        dense: the dense model on its own rows.
        reference: its first layer.
    """

    inputs: dict[str, Any]
    calls: dict[int, Any]
    dense: Call
    reference: Call


class Clock:
    """Predicts the throughput of a structure from measured layers (see ``started``).

    Every shape of a layer is timed once, in turn with the dense model's first layer, so that what the machine does
    meanwhile hits both alike; the whole models are timed in turn as well. Predictions are for batches of as many rows
    as the target has, as they come. Nothing is predicted before ``set_right``.

    Args:
        bench: of the model that is being carved.
        ledger: where timings are kept.
        timer: of the target.
        timed: beside what.
        name: of this clock, no other of the search has it.
    """

    def __init__(self, bench: Workbench, ledger: Ledger, timer: Timer, timed: Beside, name: str) -> None:
        self._bench, self._ledger, self._timer, self._beside = bench, ledger, timer, timed
        self._layer, self._rest = 0.0, 0.0
        self._name, self._readings = name, 0

    def set_right(self) -> None:
        """Time the whole model as it is now, and predict from there: sums of layers drift from what was measured."""
        name = f"{self._name}.{self._readings}"  # a reading that noise spoiled must not be taken for good
        self._readings += 1
        self._layer, whole = self._ledger.ratios([f"layer {name}", f"whole {name}"], self._wholes)
        self._rest = whole - self._layers(self._bench.subject.structure)

    def _wholes(self) -> tuple[float, float]:
        """Time of the dense model's first layer, and of the model as it is now, as shares of the dense model's."""
        ours = copied_to(self._timer.device, self._bench.subject.module), (), self._beside.inputs
        dense_s, layer_s, whole_s = self._timer.least(self._beside.dense, self._beside.reference, ours)
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
        ours = copied_to(self._timer.device, module), *self._beside.calls[index]
        first_s, ours_s = self._timer.least(self._beside.reference, ours)
        return ours_s / first_s


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
