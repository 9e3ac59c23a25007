"""``bf16`` and ``fp16``: weights and computation in 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import Field

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    TORCH_MODULE,
    Gain,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
    Tools,
    expects_bfloat16,
)

if TYPE_CHECKING:
    import torch

    from axkit import Subject, Workload


class Bf16Config(PassConfig):
    """Settings of ``bf16``."""

    even_if_slower: bool = Field(
        True, description="Go on where the target has no bfloat16 in hardware: half the size, but slower."
    )


class Fp16Config(PassConfig):
    """Settings of ``fp16``."""

    even_if_slower: bool = Field(
        True, description="Go on where the target is a processor, few of which multiply float16: half the size."
    )


C = TypeVar("C", Bf16Config, Fp16Config)


class _Half(Pass[C]):
    """Convert what is saved; the subject keeps its shape."""

    dtype: ClassVar[str]
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FULL_PRECISION, DIFFERENTIABLE})

    def lacks(self, tools: Tools) -> str:
        """What the target has not, in words; empty where it is there."""
        raise NotImplementedError

    def foresee_gain(self, config: C, work: Workload | None) -> Gain:
        """Half the bytes; how fast 16 bits are here, the run measures."""
        return Gain((1.0, None), (2.0 if config.even_if_slower else 1.0, 2.0))

    def apply(self, subject: Subject, config: C, tools: Tools) -> Result:
        """Convert in place."""
        import torch

        from axkit.kit import convert, weight_bytes

        note, lacking = "", self.lacks(tools)
        if lacking:
            if not config.even_if_slower:
                return Result(note=f"{lacking}: nothing was changed.")
            note = f"{lacking}: half the size, but slower than float32 here."
        dtype = getattr(torch, self.dtype)
        _refuse_too_large(subject, dtype)
        before = weight_bytes(subject.module)
        convert(subject.module, dtype)
        subject.module.config.dtype = dtype  # what a reload goes by
        facts = {"weights_before_bytes": float(before), "weights_after_bytes": float(weight_bytes(subject.module))}
        return Result(facts=facts, note=note)


class Bf16(_Half[Bf16Config]):
    """Keep weights in 16 bits, with float32's range and 8 bits of precision, and compute in them.

    The logits are bfloat16 too. Blocks, heads and layers can still be removed afterwards; training and quantization
    come before, because steps and scales would be rounded.
    """

    Config = Bf16Config
    dtype = "bfloat16"
    purpose = "half the bytes at almost no loss, and more speed where the hardware multiplies bfloat16"
    paper = "Kalamkar et al. 2019, A Study of BFLOAT16 for Deep Learning Training, arXiv 1905.12322"

    def foresee_work(self, config: Bf16Config, work: Workload) -> str:
        """Whether it will be slower on this processor; of a GPU only the run can tell."""
        if work.target.kind != "cpu" or expects_bfloat16() is not False:
            return ""
        end = "half the size, but slower than float32" if config.even_if_slower else "the stage will change nothing"
        return f"this processor has no bfloat16 instructions: {end}"

    def lacks(self, tools: Tools) -> str:
        """The instructions."""
        device = tools.target.here()
        here = "processor has no bfloat16 instructions" if device.is_cpu else f"{device.title} has no bfloat16"
        return "" if device.has_bfloat16 else f"This {here}"


class Fp16(_Half[Fp16Config]):
    """Keep weights in 16 bits, with 11 bits of precision and a range up to 65504, and compute in them.

    For GPUs without bfloat16, such as T4 and V100; where there is both, bf16 cannot overflow. What comes before and
    after is as with bf16.
    """

    Config = Fp16Config
    dtype = "float16"
    purpose = "half the bytes and more speed on GPUs without bfloat16, such as T4 and V100"
    paper = "Micikevicius et al. 2018, Mixed Precision Training, arXiv 1710.03740"

    def foresee_work(self, config: Fp16Config, work: Workload) -> str:
        """That it is for GPUs."""
        if work.target.kind != "cpu":
            return ""
        end = "half the size, but slower than float32" if config.even_if_slower else "the stage will change nothing"
        return f"few processors multiply float16: {end}"

    def lacks(self, tools: Tools) -> str:
        """Processors are taken to have none."""
        return "Few processors multiply float16" if tools.target.kind == "cpu" else ""


def _refuse_too_large(subject: Subject, dtype: torch.dtype) -> None:
    """Before anything is changed: a weight beyond the range would be infinite.

    Raises:
        NotApplicable: there is one.
    """
    import torch

    largest = torch.finfo(dtype).max
    for name, tensor in subject.module.state_dict().items():
        if tensor.is_floating_point() and tensor.numel() and float(tensor.abs().max()) > largest:
            raise NotApplicable(f"'{name}' has values beyond {largest:.0f}, the most of float16; use bf16")
