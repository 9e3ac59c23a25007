"""A model in onnxruntime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from axkit_plugins.runtimes.body import GraphBody, Session
from axkit_plugins.runtimes.network.matrix import Array


class OnnxBody(GraphBody):
    """A graph in onnxruntime; implements :class:`axkit.Body`."""

    runtime: ClassVar[str] = "onnxruntime"

    def open(self, threads: int) -> Session:
        """An onnxruntime session."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.force_spinning_stop", "1")  # whoever is timed next wants the cores
        session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        outputs = [one.name for one in session.get_outputs()]

        def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
            return dict(zip(outputs, session.run(None, dict(given)), strict=True))

        return Session(tuple(one.name for one in session.get_inputs()), run)
