"""``int4_bnb`` and ``int8_bnb``: bitsandbytes' layers, saved in its own format, which transformers alone loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, PLAIN_WEIGHTS, TORCH_MODULE, Pass, Result, Tools
from axkit_plugins.quantize.bnb.settings import Int4BnbConfig, Int8BnbConfig

if TYPE_CHECKING:
    from axkit import Subject

_REQUIRES = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
_ENDS = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, PLAIN_WEIGHTS})


class Int4Bnb(Pass[Int4BnbConfig]):
    """Linear weights in bitsandbytes' 4 bits, a scale per 64 weights, the scales in 8 bits (double quantization).

    Layers whose widths its kernels cannot take (outputs not a multiple of 32, inputs not of 64) stay in float, and so
    do the embeddings.
    """

    Config = Int4BnbConfig
    purpose = "4 bits in a folder that transformers loads without axkit"
    requires, ends = _REQUIRES, _ENDS
    extra = "bnb"
    packages = ("bitsandbytes", "accelerate")
    paper = "Dettmers et al. 2023, QLoRA, arXiv 2305.14314 (NF4, double quantization)"

    def apply(self, subject: Subject, config: Int4BnbConfig, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize.bnb.modules import to_4bit

        facts = to_4bit(subject, config.quant_type, config.skip)
        if not facts["linear_layers"]:
            return Result(facts=facts, note="No layer has widths that bitsandbytes' kernels take: nothing changed.")
        return Result(facts=facts, note=_left(facts))


class Int8Bnb(Pass[Int8BnbConfig]):
    """Linear weights in bitsandbytes' 8 bits (LLM.int8()), a scale per output; embeddings stay in float.

    Made for GPUs; on CPUs it is slower than float32, and ``int8`` is the faster choice.
    """

    Config = Int8BnbConfig
    purpose = "8 bits in a folder that transformers loads without axkit"
    requires, ends = _REQUIRES, _ENDS
    extra = "bnb"
    packages = ("bitsandbytes", "accelerate")
    paper = "Dettmers et al. 2022, LLM.int8(), arXiv 2208.07339"

    def apply(self, subject: Subject, config: Int8BnbConfig, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize.bnb.modules import to_8bit

        facts = to_8bit(subject, config.threshold, config.skip)
        if not facts["linear_layers"]:
            return Result(facts=facts, note="Every linear layer was skipped: nothing changed.")
        on_gpu = tools.target.kind != "cpu"
        note = "" if on_gpu else "bitsandbytes' 8 bit is made for GPUs; on CPUs 'int8' is faster."
        return Result(facts=facts, note=note)


def _left(facts: dict[str, float]) -> str:
    left = int(facts["linear_layers_that_do_not_fit"])
    return f"{left} linear layers stay in float: their widths do not fit bitsandbytes' kernels." if left else ""
