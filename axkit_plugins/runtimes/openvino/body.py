"""A model in OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from axkit_plugins.runtimes.body import GraphBody, Session
from axkit_plugins.runtimes.network.matrix import Array


class OpenVinoBody(GraphBody):
    """A graph in OpenVINO; implements :class:`axkit.Body`."""

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
        compiled = core.compile_model(core.read_model(self.model), "CPU", settings)
        request = compiled.create_infer_request()

        def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
            found = request.infer(dict(given))
            return {
                output.get_any_name(): value.copy() for output, value in found.items()
            }  # the request reuses its own

        return Session(tuple(one.get_any_name() for one in compiled.inputs), run)
