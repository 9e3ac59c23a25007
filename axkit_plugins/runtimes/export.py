"""``export``: the model as another runtime's, the last stage of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    PLAIN_WEIGHTS,
    TORCH_MODULE,
    Effort,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
)
from axkit_plugins.runtimes.network.forms import FORMS, check_config

if TYPE_CHECKING:
    from axkit import Family, Subject, Tools, Workload
    from axkit_plugins.runtimes.network.network import Head


_NEEDS = {
    "onnxruntime": (("onnx", "onnxruntime"), "onnx"),
    "openvino": (("onnx", "onnxruntime", "openvino"), "openvino"),
}
_NARROW = "This processor has no bfloat16, or AXKIT_BFLOAT16 is 0: products are computed here in what is stored."
_TURNS = 7  # of each graph that is timed
_AS_FAST = 0.97  # a packed graph that is about as fast is taken: it costs less where rows are less alike
_WIDE = "Products are computed in bfloat16 where the processor has it, else in float32."


class ExportConfig(PassConfig):
    """Settings of ``export``."""

    runtime: Literal["onnxruntime", "openvino", "torch-packed"] = Field(
        "onnxruntime",
        description=(
            "Where the model is to answer; torch-packed is PyTorch, without padding and without modules, from the same "
            "files."
        ),
    )
    precision: Literal["stored", "float32", "bfloat16", "int8", "fastest"] = Field(
        "stored",
        description=(
            "Of the weights: each as it is stored (integers of int8 and int4_vsq stay what they are), all in float32, "
            "all in bfloat16 (openvino), or what is in float in 8 bits, as the pass int8 would round it. In "
            "torch-packed of products alone, the weights stay what they are: stored, float32, bfloat16 where the "
            "processor has it, or fastest, which of stored and bfloat16 that is here."
        ),
    )
    packed: Literal["auto", True, False] = Field(
        "auto",
        description=(
            "Compute embeddings, linear layers and norms on real tokens alone, not on padding. auto: where that is the "
            "faster, timed here on search rows, as many at a time as the target says; of a finished folder, which has "
            "no rows at hand, it is done."
        ),
    )


class Export(Pass[ExportConfig]):
    """Build what answers in another runtime, from what is left of the model and its weights; nothing is traced."""

    Config = ExportConfig
    purpose = "serving: a graph of onnxruntime or OpenVINO, without PyTorch, or in PyTorch without padding"
    paper = "Open Neural Network Exchange, operators of opset 20; integers as Jacob et al. 2018, arXiv 1712.05877"
    needs = frozenset({"search"})
    requires = frozenset({TORCH_MODULE, PLAIN_WEIGHTS})
    ends = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, PLAIN_WEIGHTS})
    targets = frozenset({"cpu"})
    elsewhere = "the model before it, in PyTorch"
    extra = "onnx"

    def needs_of(self, config: ExportConfig) -> frozenset[str]:
        """Rows, where packed or padded is to be timed on them."""
        return self.needs if config.packed == "auto" and config.runtime in _NEEDS else frozenset()

    def foresee_effort(self, config: ExportConfig, work: Workload) -> Effort:
        """Building takes next to nothing; where both graphs are timed, each answers a batch some times."""
        timed = 2 * _TURNS * work.target.batch if self.needs_of(config) else 0
        return Effort((0.0, float(timed)))

    def packages_of(self, config: ExportConfig) -> tuple[str, ...]:
        """Those of the runtime."""
        return _NEEDS[config.runtime][0] if config.runtime in _NEEDS else ()

    def check(self, family: Family, config: ExportConfig) -> None:
        """Families whose embeddings and heads are known here, a runtime that is installed, and what it computes."""
        if family.model_type not in FORMS:
            raise NotApplicable(
                f"it builds graphs of {', '.join(FORMS)}, and '{family.model_type}' is none of them; leave the pass out"
            )
        from axkit.kit import refuse_missing

        if config.runtime in _NEEDS:
            refuse_missing(f"runtime '{config.runtime}'", *_NEEDS[config.runtime])
        if config.precision == "fastest" and config.runtime != "torch-packed":
            raise NotApplicable(
                "precision 'fastest' is measured for torch-packed alone; axkit bench compares folders of other runtimes"
            )
        if config.runtime == "torch-packed" and (config.precision == "int8" or config.packed is False):
            raise NotApplicable(
                "torch-packed rounds nothing and leaves padding out: take the pass int8 before it in place of "
                "precision int8, and the model as it is in place of a padded one"
            )
        if config.runtime == "onnxruntime" and config.precision == "bfloat16":
            raise NotApplicable(
                "onnxruntime multiplies no bfloat16 on processors; take runtime openvino, or another precision"
            )

    def check_model(self, family: Family, model: Mapping[str, Any], config: ExportConfig) -> None:
        """Activations and rotations that every runtime here computes."""
        check_config(family.model_type, model)

    def apply(self, subject: Subject, config: ExportConfig, tools: Tools) -> Result:
        """Put what answers there where the model was."""
        if config.runtime == "torch-packed":
            return _as_packed(subject, config, tools)
        return _as_graph(subject, config, tools)


def _as_packed(subject: Subject, config: ExportConfig, tools: Tools) -> Result:
    from axkit_plugins.runtimes.packed.body import PackedBody, fastest_body

    assert config.precision != "int8"
    if config.precision != "fastest":
        subject.body = body = PackedBody.of(subject, config.precision)
        return Result(note=_NARROW if body.lacks_bfloat16 else "")
    made, times = fastest_body(subject, tools)
    subject.body = made
    if times <= 1.0:  # nothing to choose from, or they differ by no more than two timings
        return Result()
    one, other = "what is stored", "bfloat16"
    one, other = (other, one) if made.computes == "bfloat16" else (one, other)
    return Result(note=f"Products are computed in {one}, {times:.2f} times as fast here as in {other}.")


def _as_graph(subject: Subject, config: ExportConfig, tools: Tools | None) -> Result:
    from axkit_plugins.runtimes.body import About
    from axkit_plugins.runtimes.network.read import read_network
    from axkit_plugins.runtimes.onnx.body import OnnxBody
    from axkit_plugins.runtimes.onnx.build import build
    from axkit_plugins.runtimes.openvino.body import OpenVinoBody

    widens = config.runtime == "openvino"
    assert config.precision != "fastest"
    network = read_network(subject, config.precision)
    wide = widens and network.has_few_bits
    kind, settings = OpenVinoBody if widens else OnnxBody, dict(subject.body.config)

    def made(packed: bool) -> OnnxBody | OpenVinoBody:
        built = build(network, packed, widens)
        about = About(config.runtime, "bfloat16" if wide else "float32", built.values, _pads(subject, network.head))
        return kind(settings, built.model, about)

    if config.packed != "auto" or tools is None or subject.family.inputs != "tokens":
        body, note = made(config.packed is not False), ""
    else:
        body, note = _faster(made(True), made(False), tools)
    subject.body = body
    facts = {"graph_bytes": float(len(body.model))}
    return Result(facts=facts, note=" ".join(filter(None, (_WIDE if wide else "", note))))


def _faster(packed: Any, padded: Any, tools: Tools) -> tuple[Any, str]:
    """The one that answers the target's rows sooner here, and a word on it where that is the padded one."""
    from axkit import relative_speed

    batch = tools.target.batch
    (times,) = tools.processes.measured(
        lambda: [relative_speed(packed, padded, tools.search, batch, rounds=_TURNS, target=tools.target)]
    )
    if times >= _AS_FAST:
        return packed, ""
    as_fast = f"{1 / times:.2f} times as fast here as leaving it out"
    return padded, f"Padding is computed: with {batch} rows at a time that is {as_fast}."


def _pads(subject: Subject, head: Head) -> bool:
    """As of ``About``. Not where a head looks for the last token: OpenVINO 2026.4 crashes on that at a fixed length."""
    from axkit_plugins.runtimes.body import SHORT

    most = subject.family.tokens_at_most(subject.module.config)
    reads_words = subject.family.inputs == "tokens"
    return reads_words and head.reads != "last" and (most is None or most >= SHORT)
