"""``bf16``: weights and computation in bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    TORCH_MODULE,
    Pass,
    PassConfig,
    Result,
    Tools,
    expects_bfloat16,
)

if TYPE_CHECKING:
    from axkit import Subject


class Bf16Config(PassConfig):
    """Settings of ``bf16``."""

    even_if_slower: bool = Field(
        True, description="Go on where the processor has no bfloat16 instructions: half the size, but slower."
    )


class Bf16(Pass[Bf16Config]):
    """Keep weights in 16 bits, with float32's range and 8 bits of precision, and compute in them.

    The logits are bfloat16 too. Blocks, heads and layers can still be removed afterwards; training and quantization
    come before, because steps and scales would be rounded.
    """

    Config = Bf16Config
    purpose = "half the bytes at almost no loss, and more speed where the processor multiplies bfloat16"
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FULL_PRECISION, DIFFERENTIABLE})
    paper = "Kalamkar et al. 2019, A Study of BFLOAT16 for Deep Learning Training, arXiv 1905.12322"

    def foresee(self, config: Bf16Config) -> str:
        """Whether it will be slower here."""
        if expects_bfloat16() is not False:
            return ""
        end = "half the size, but slower than float32" if config.even_if_slower else "the stage will change nothing"
        return f"this processor has no bfloat16 instructions: {end}"

    def apply(self, subject: Subject, config: Bf16Config, tools: Tools) -> Result:
        """Convert in place."""
        import torch

        from axkit import has_bfloat16
        from axkit.kit import convert, weight_bytes

        note = ""
        if not has_bfloat16():
            if not config.even_if_slower:
                return Result(note="This processor has no bfloat16 instructions: nothing was changed.")
            note = "This processor has no bfloat16 instructions: half the size, but slower than float32 here."
        before = weight_bytes(subject.module)
        convert(subject.module, torch.bfloat16)
        subject.module.config.dtype = torch.bfloat16  # what a reload goes by
        facts = {"weights_before_bytes": float(before), "weights_after_bytes": float(weight_bytes(subject.module))}
        return Result(facts=facts, note=note)
