"""``int8``: linear and embedding weights in 8 bits, linear layers computed by int8 kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import TYPE_CHECKING

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Effort, Gain, Pass, Result, Tools
from axkit_plugins.quantize.int8.settings import Int8Config

if TYPE_CHECKING:
    from axkit import Subject, Workload
    from axkit_plugins.quantize.int8.model import Replaced


_LINEARS = 6  # of a layer
_TIMED_ROWS = (500, 3000)  # of kernels and precisions, about


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

    def foresee_gain(self, config: Int8Config, work: Workload | None) -> Gain:
        """A byte for each weight, and a scale for each row of them; how fast its kernels are here, the run measures."""
        if work is None or not work.values:
            return Gain((1.0, None), (3.5 if config.embeddings and not config.skip else 1.0, 4.0))
        left = 0 if config.embeddings else work.embedding_values
        rounded = work.values - left - work.layers * (9 * work.hidden + work.ffn_width)  # biases and norms stay
        size = 4 * work.values / (4 * work.values - (3 - 4 / work.hidden) * rounded)
        return Gain((1.0, None), (1.0 if config.skip or config.max_drop is not None else 0.97 * size, 1.03 * size))

    def foresee_effort(self, config: Int8Config, work: Workload) -> Effort:
        """Each layer alone in 8 bits, and timings; layer by layer back to float where a budget asks for it."""
        linears = _LINEARS * work.layers
        tried = config.sensitivity_rows * (linears + 2) + config.calibration_rows + config.saturation_rows
        held = 0.0 if config.max_drop is None else (2 + log2(linears)) * work.rows["search"]  # by bisection
        return Effort((tried + _TIMED_ROWS[0], tried + _TIMED_ROWS[1] + held))

    def apply(self, subject: Subject, config: Int8Config, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit.kit import weight_bytes
        from axkit_plugins.quantize.int8.audit import saturating, warning
        from axkit_plugins.quantize.int8.model import quantize_model
        from axkit_plugins.quantize.int8.precisions import float_and_half, which_is_faster
        from axkit_plugins.quantize.int8.settled import in_words, kernel_rows, settle

        others = float_and_half(subject.module, tools) if config.beside_bfloat16 else None
        before = weight_bytes(subject.module)
        replaced, table = quantize_model(subject, config, tools)
        after = weight_bytes(subject.module)
        settle(subject.module.eval(), tools.search, tools.target.batch)
        kernels = kernel_rows(subject.module)
        over = saturating(subject.module, replaced.linear, tools.train, config.saturation_rows)
        said = (_note(replaced, bool(kernels)), in_words(kernels), warning(over, len(replaced.linear)))
        beside = others.beside(subject.module, after, config.sensitivity_rows) if others is not None else []
        note = " ".join(filter(None, (*said, which_is_faster(beside))))
        tables = {
            "sensitivity": table,
            "precisions": [row.to_json() for row in beside],
            "kernels": kernels,
            "saturation": [one.to_json() for one in over],
        }
        return Result(state=replaced.to_json(), facts=_facts(replaced, before, after), note=note, tables=tables)

    def restore(self, subject: Subject, config: Int8Config, state: Mapping[str, object]) -> None:
        """Put empty int8 modules where the weights will come."""
        from axkit_plugins.quantize.int8.modules import restore

        restore(subject.module, state)


def _facts(replaced: Replaced, before: int, after: int) -> dict[str, float]:
    return {
        "weights_before_bytes": float(before),
        "weights_after_bytes": float(after),
        "linear_layers": float(len(replaced.linear)),
        "static_layers": float(len(replaced.static)),
        "embeddings": float(len(replaced.embedding)),
        "left_in_float_layers": float(len(replaced.float)),
    }


def _note(replaced: Replaced, has_kernel: bool) -> str:
    if not replaced.linear and not replaced.embedding:
        return "Every layer stayed in float: nothing changed."
    notes = []
    if replaced.linear and not has_kernel:
        notes.append("This PyTorch has no int8 kernel for this processor: smaller, but computed in float32.")
    if replaced.float:
        notes.append(f"{len(replaced.float)} layers stay in float to hold max_drop, {replaced.float[0]} first.")
    return " ".join(notes)
