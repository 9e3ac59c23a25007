"""``int8``: linear and embedding weights in 8 bits, linear layers computed by int8 kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Pass, Result, Tools
from axkit_plugins.quantize.int8.settings import Int8Config

if TYPE_CHECKING:
    from axkit import Subject


class Int8(Pass[Int8Config]):
    """Symmetric 8-bit weights with a scale per output channel; activations quantized per tensor, per call or for good.

    A table in the report has each layer's sensitivity: how far the output moves when that layer alone is quantized
    (mean Kullback-Leibler divergence from the float model's, in nats; for regression the squared difference). A second
    one has speed, bytes and divergence of the float32 model, of a bfloat16 copy, and of the result.
    """

    Config = Int8Config
    purpose = "the usual end of a recipe: four times smaller, and faster than float32 on x86 processors"
    needs = frozenset({"train", "search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})
    holds_budget = "max_drop"
    targets = frozenset({"cpu"})  # elsewhere its weights are expanded at each call
    elsewhere = "bf16, or int8_bnb for 8 bits"
    paper = "Zafrir et al. 2019, Q8BERT, arXiv 1910.06188 (dynamic quantization, section 4)"

    def apply(self, subject: Subject, config: Int8Config, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit.kit import weight_bytes
        from axkit_plugins.quantize.int8.model import quantize_model
        from axkit_plugins.quantize.int8.modules import kernel
        from axkit_plugins.quantize.int8.precisions import Others, which_is_faster

        others = Others(subject.module, config.beside_bfloat16, tools)
        before = weight_bytes(subject.module)
        state, table = quantize_model(subject, config, tools)
        after = weight_bytes(subject.module)
        facts = {
            "weights_before_bytes": float(before),
            "weights_after_bytes": float(after),
            "linear_layers": float(len(state["linear"])),
            "static_layers": float(len(state["static"])),
            "embeddings": float(len(state["embedding"])),
            "left_in_float_layers": float(len(state["float"])),
        }
        note = _note(state, bool(kernel()))
        beside = others.beside(subject.module, float(after), config.sensitivity_rows)
        note = f"{note} {which_is_faster(beside)}".strip()
        return Result(state=state, facts=facts, note=note, tables={"sensitivity": table, "precisions": beside})

    def restore(self, subject: Subject, config: Int8Config, state: Mapping[str, Any]) -> None:
        """Put empty int8 modules where the weights will come."""
        from axkit_plugins.quantize.int8.modules import restore

        restore(subject.module, state)


def _note(state: Mapping[str, Any], has_kernel: bool) -> str:
    if not state["linear"] and not state["embedding"]:
        return "Every layer stayed in float: nothing changed."
    notes = []
    if not has_kernel:
        notes.append("This PyTorch has no int8 kernel for this processor: smaller, but computed in float32.")
    if state["float"]:
        notes.append(f"{len(state['float'])} layers stay in float to hold max_drop, {state['float'][0]} first.")
    return " ".join(notes)
