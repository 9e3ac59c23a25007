"""``export``: the model as another runtime's, the last stage of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    PLAIN_WEIGHTS,
    TORCH_MODULE,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
)
from axkit_plugins.runtimes.network.forms import FORMS

if TYPE_CHECKING:
    from axkit import Family, Subject, Tools


class ExportConfig(PassConfig):
    """Settings of ``export``."""

    runtime: Literal["onnxruntime"] = Field("onnxruntime", description="Where the model is to answer.")
    precision: Literal["stored", "float32", "int8"] = Field(
        "stored",
        description=(
            "Of the weights: each as it is stored (integers of int8 and int4_vsq stay what they are), all as float32, "
            "or what is in float in 8 bits, as the pass int8 would round it."
        ),
    )
    packed: bool = Field(
        True, description="Compute embeddings, linear layers and norms on real tokens alone, not on padding."
    )


class Export(Pass[ExportConfig]):
    """Build the model's graph for another runtime, from what is left of it and its weights; nothing is traced."""

    Config = ExportConfig
    purpose = "deploy without PyTorch: a folder that answers with onnxruntime and tokenizers alone"
    requires = frozenset({TORCH_MODULE, PLAIN_WEIGHTS})
    ends = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, PLAIN_WEIGHTS})
    targets = frozenset({"cpu"})
    elsewhere = "the model before it, in PyTorch"
    extra = "onnx"
    packages = ("onnx", "onnxruntime")

    def check(self, family: Family, config: ExportConfig) -> None:
        """Families whose embeddings and heads are known here."""
        if family.model_type not in FORMS:
            raise NotApplicable(
                f"it builds graphs of {', '.join(FORMS)}, and '{family.model_type}' is none of them; leave the pass out"
            )

    def apply(self, subject: Subject, config: ExportConfig, tools: Tools) -> Result:
        """Put the graph where the model was."""
        from axkit_plugins.runtimes.network.read import read_network
        from axkit_plugins.runtimes.onnx.body import OnnxBody
        from axkit_plugins.runtimes.onnx.build import build

        model = build(read_network(subject, config.precision), config.packed)
        subject.body = OnnxBody(dict(subject.body.config), model)
        return Result(facts={"graph_bytes": float(len(model))})
