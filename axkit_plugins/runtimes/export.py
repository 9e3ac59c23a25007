"""``export``: the model as another runtime's, the last stage of a recipe."""

from __future__ import annotations

from importlib.util import find_spec
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


_WIDE = "Products are computed in bfloat16 where the processor has it, else in float32."


class ExportConfig(PassConfig):
    """Settings of ``export``."""

    runtime: Literal["onnxruntime", "openvino"] = Field("onnxruntime", description="Where the model is to answer.")
    precision: Literal["stored", "float32", "bfloat16", "int8"] = Field(
        "stored",
        description=(
            "Of the weights: each as it is stored (integers of int8 and int4_vsq stay what they are), all in float32, "
            "all in bfloat16 (openvino), or what is in float in 8 bits, as the pass int8 would round it."
        ),
    )
    packed: bool = Field(
        True, description="Compute embeddings, linear layers and norms on real tokens alone, not on padding."
    )


class Export(Pass[ExportConfig]):
    """Build the model's graph for another runtime, from what is left of it and its weights; nothing is traced."""

    Config = ExportConfig
    purpose = "deploy without PyTorch: a folder that answers with onnxruntime and tokenizers alone"
    paper = "Open Neural Network Exchange, operators of opset 20; integers as Jacob et al. 2018, arXiv 1712.05877"
    requires = frozenset({TORCH_MODULE, PLAIN_WEIGHTS})
    ends = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, PLAIN_WEIGHTS})
    targets = frozenset({"cpu"})
    elsewhere = "the model before it, in PyTorch"
    extra = "onnx"
    packages = ("onnx", "onnxruntime")

    def check(self, family: Family, config: ExportConfig) -> None:
        """Families whose embeddings and heads are known here, a runtime that is installed, and what it computes."""
        if family.model_type not in FORMS:
            raise NotApplicable(
                f"it builds graphs of {', '.join(FORMS)}, and '{family.model_type}' is none of them; leave the pass out"
            )
        if config.runtime == "openvino" and find_spec("openvino") is None:
            raise NotApplicable(
                "runtime 'openvino' needs openvino, which is not installed: pip install 'openvino>=2026.2,<2027'"
            )
        if config.runtime == "onnxruntime" and config.precision == "bfloat16":
            raise NotApplicable(
                "onnxruntime multiplies no bfloat16 on processors; take runtime openvino, or another precision"
            )

    def apply(self, subject: Subject, config: ExportConfig, tools: Tools) -> Result:
        """Put the graph where the model was."""
        from axkit_plugins.runtimes.body import About
        from axkit_plugins.runtimes.network.read import read_network
        from axkit_plugins.runtimes.onnx.body import OnnxBody
        from axkit_plugins.runtimes.onnx.build import build
        from axkit_plugins.runtimes.openvino.body import OpenVinoBody

        widens = config.runtime == "openvino"
        network = read_network(subject, config.precision)
        built = build(network, config.packed, widens)
        wide = widens and network.has_few_bits
        about = About(config.runtime, "bfloat16" if wide else "float32", built.values)
        made = OpenVinoBody if widens else OnnxBody
        subject.body = made(dict(subject.body.config), built.model, about)
        return Result(facts={"graph_bytes": float(len(built.model))}, note=_WIDE if wide else "")
