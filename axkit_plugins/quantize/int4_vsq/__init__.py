"""``int4_vsq``: 4-bit weights with an integer scale for each short vector of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Effort, Pass, Result, Tools
from axkit_plugins.quantize.int4_vsq.settings import Int4VsqConfig

if TYPE_CHECKING:
    from axkit import Subject, Workload


class Int4Vsq(Pass[Int4VsqConfig]):
    """Per-vector scaled 4-bit weights: code x integer scale of the vector x float scale of the output channel.

    Scales are searched so that the squared error of the outputs is least. Weights are expanded to float32 at each call:
    the model is small on disk and in memory, not fast.
    """

    Config = Int4VsqConfig
    purpose = "the smallest model on disk and in memory, in 4.4 bits per weight; not a faster one"
    needs = frozenset({"train", "search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE})
    paper = (
        "Dai et al. 2021, VS-Quant, arXiv 2102.04503; "
        "Keller et al. 2023, A 95.6-TOPS/W Inference Accelerator With Per-Vector Scaled 4-bit Quantization"
    )

    def foresee_effort(self, config: Int4VsqConfig, work: Workload) -> Effort:
        """A few rows; beside them it searches scales."""
        rows = min(config.rows, work.rows["train"])
        return Effort((2.0 * rows, 20.0 * rows))

    def apply(self, subject: Subject, config: Int4VsqConfig, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize.int4_vsq.model import quantize_model

        state, facts, table = quantize_model(subject, config, tools)
        notes = []
        if not config.keep_float:
            notes.append("Weights are expanded at each call: smaller, not faster.")
        if config.activation_bits is not None:
            notes.append(f"Activations of {config.activation_bits} bits are simulated, which only costs time here.")
        tables = {"error of layer outputs": table}
        return Result(state=state, facts=facts, note=" ".join(notes), tables=tables)

    def restore(self, subject: Subject, config: Int4VsqConfig, state: Mapping[str, object]) -> None:
        """Put empty 4-bit modules where the weights will come."""
        from axkit.kit import names_in
        from axkit_plugins.quantize.int4_vsq.model import put_empty

        put_empty(subject.module, config, names_in(state, "linear"), names_in(state, "embedding"))
