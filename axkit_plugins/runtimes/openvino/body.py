"""A model in OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from axkit_plugins.runtimes.body import SHORT, SMALL, GraphBody, Run, Session
from axkit_plugins.runtimes.network.matrix import Array

if TYPE_CHECKING:
    import openvino

_STEP = 16  # tokens: lengths up to SHORT at which one row is computed in a graph of its own


class OpenVinoBody(GraphBody):
    """A graph in OpenVINO; implements ``axkit.Body``.

    A graph for all shapes works out those of each node at each call, which for one short row takes as long as to
    compute them. So such a row is padded to one of four lengths, each with a graph of its own, compiled when it is
    first met: each holds the weights once more.
    """

    runtime: ClassVar[str] = "openvino"

    def open(self, threads: int) -> Session:
        """A compiled model with one request; OpenVINO compiles again for each new shape of inputs."""
        import openvino

        core = openvino.Core()
        wide = self.about.computes == "bfloat16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": "bf16" if wide else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        if self.about.computes == "float32":
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0  # else it rounds inputs of weights in 8 bits
        model = core.read_model(self.model)
        compiled = core.compile_model(model, "CPU", settings)
        names, any_shape = tuple(one.get_any_name() for one in compiled.inputs), _asking(compiled)
        if not self.about.pads or len(self.model) > SMALL:
            return Session(names, any_shape)
        each = {one.get_any_name() for one in compiled.outputs if _is_of_tokens(one)}

        @cache
        def of_length(length: int) -> Run:
            still = model.clone()
            still.reshape({name: [1, length] for name in names})
            return _asking(core.compile_model(still, "CPU", settings))

        def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
            rows, length = given["attention_mask"].shape
            if rows > 1 or not 0 < length <= SHORT:
                return any_shape(given)
            longer = -(-length // _STEP) * _STEP
            found = of_length(longer)(_lengthened(given, longer))
            return {name: one[:, :length] if name in each else one for name, one in found.items()}

        return Session(names, run)


def _asking(compiled: openvino.CompiledModel) -> Run:
    """What sets inputs, computes, and copies the outputs, which the next call overwrites."""
    import openvino

    request: Any = compiled.create_infer_request()
    names = [one.get_any_name() for one in compiled.outputs]

    def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
        for name, one in given.items():
            request.set_tensor(name, openvino.Tensor(one, shared_memory=True))
        request.start_async()
        request.wait()
        return {name: request.get_tensor(name).data.copy() for name in names}

    return run


def _is_of_tokens(output: openvino.ConstOutput) -> bool:
    shape = output.get_partial_shape()
    return bool(shape.rank.get_length() > 1 and shape[1].is_dynamic)


def _lengthened(given: Mapping[str, Array], length: int) -> dict[str, Array]:
    """One row, padded on the right, whatever it is padded with: its mask hides it."""
    made = {name: np.zeros((1, length), np.int64) for name in given}
    for name, one in given.items():
        made[name][:, : one.shape[1]] = one
    return made
