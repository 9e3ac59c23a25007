"""``int8``: all linear and embedding weights in 8 bits, linear layers computed by int8 kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Pass, PassConfig, Result, Tools

if TYPE_CHECKING:
    from axkit import Subject


class Int8Config(PassConfig):
    """Settings of ``int8``."""

    embeddings: bool = Field(True, description="Store the embeddings in 8 bits too, with a scale for each row.")


class Int8(Pass[Int8Config]):
    """Symmetric 8-bit weights with a scale per output channel; activations quantized on the fly, per tensor."""

    Config = Int8Config
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE})
    paper = "Zafrir et al. 2019, Q8BERT, arXiv 1910.06188 (dynamic quantization, section 4)"

    def apply(self, subject: Subject, config: Int8Config, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize import int8_modules

        before = int8_modules.weight_bytes(subject.module)
        state = int8_modules.quantize(subject.module, config.embeddings)
        after = int8_modules.weight_bytes(subject.module)
        facts = {
            "weights_before_bytes": float(before),
            "weights_after_bytes": float(after),
            "linear_layers": float(len(state["linear"])),
            "embeddings": float(len(state["embedding"])),
        }
        kernel = int8_modules.kernel()
        note = "" if kernel else "This PyTorch has no int8 kernel for this processor: smaller, but computed in float32."
        return Result(state=state, facts=facts, note=note)

    def restore(self, subject: Subject, config: Int8Config, state: Mapping[str, Any]) -> None:
        """Put empty int8 modules where the weights will come."""
        from axkit_plugins.quantize import int8_modules

        int8_modules.restore(subject.module, state)
