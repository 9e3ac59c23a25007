"""``int4_vsq``: 4-bit weights with an integer scale for each short vector of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Pass, PassConfig, Result, Tools
from axkit_plugins.quantize.roles import SKIP_HELP, SkipRole

if TYPE_CHECKING:
    from axkit import Subject


class Int4VsqConfig(PassConfig):
    """Settings of ``int4_vsq``; the defaults store 4.4 bits per weight (at 768 inputs)."""

    vector: int = Field(16, ge=4, le=256, description="Inputs that share a scale; the paper's is 16.")
    scale_bits: int = Field(
        6, ge=2, le=8, description="Of each vector's integer scale; a row's float scale comes on top."
    )
    rows: int = Field(128, ge=0, description="Training rows whose inputs weigh the errors; 0 weighs all inputs alike.")
    embeddings: bool = Field(True, description="Store the embeddings in 4 bits too.")
    skip: list[SkipRole] = Field(default=["head"], description=SKIP_HELP)
    activation_bits: int | None = Field(
        None,
        ge=3,
        le=8,
        description="Simulate activations of this many bits, scaled per token and vector; not faster.",
    )
    keep_float: bool = Field(
        False, description="Expand once, at the first call: as fast as float32, and as big in memory."
    )


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

    def apply(self, subject: Subject, config: Int4VsqConfig, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize import vsq_model

        state, facts, table = vsq_model.quantize_model(subject, config, tools)
        notes = []
        if not config.keep_float:
            notes.append("Weights are expanded at each call: smaller, not faster.")
        if config.activation_bits is not None:
            notes.append(f"Activations of {config.activation_bits} bits are simulated, which only costs time here.")
        tables = {"error of layer outputs": table}
        return Result(state=state, facts=facts, note=" ".join(notes), tables=tables)

    def restore(self, subject: Subject, config: Int4VsqConfig, state: Mapping[str, Any]) -> None:
        """Put empty 4-bit modules where the weights will come."""
        from axkit_plugins.quantize import vsq_model

        vsq_model.restore(subject, config, state)
