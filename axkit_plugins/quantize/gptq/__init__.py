"""``gptq``: 4-bit weights by calibration, through optimum. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from axkit import (
    DIFFERENTIABLE,
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    PLAIN_WEIGHTS,
    TORCH_MODULE,
    Effort,
    NotApplicable,
    Pass,
    Result,
    Tools,
)
from axkit_plugins.quantize.gptq.settings import GptqConfig

if TYPE_CHECKING:
    from axkit import Family, Subject, Workload

_RUN_WITH = {"optimum": "2.3", "gptqmodel": "7.7"}  # the versions that the tests were run with


class Gptq(Pass[GptqConfig]):
    """Linear weights of the layers in 4 bits, rounded one column after the other so that each makes up for the last.

    Layers are calibrated in order, each on the outputs of those already rounded. Embeddings and head stay in float.
    Weights are expanded to float32 at each call: smaller, not faster.
    """

    Config = GptqConfig
    purpose = "4 bits where calibration matters more than speed"
    needs = frozenset({"train"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE, PLAIN_WEIGHTS})
    extra = "optimum"
    packages = ("optimum", "gptqmodel")
    install = (
        "pip install 'optimum>=2.3,<3' requests, then pip install --no-deps gptqmodel==7.7.0 pypcre logbar device-smi "
        "tokenicer threadpoolctl defuser pillow torchao (gptqmodel asks for a newer torch than axkit's, and runs "
        "without); int4_vsq needs neither"
    )
    paper = "Frantar et al. 2022, GPTQ, arXiv 2210.17323"

    def check(self, family: Family, config: GptqConfig) -> None:
        """Refuse layers that optimum cannot run one by one."""
        if family.inputs != "tokens":
            raise NotApplicable(f"optimum calibrates on tokens, and it reads {family.inputs}; use int4_vsq")
        if family.layer_returns_tuple:  # such layers are given more than the hidden states by position
            raise NotApplicable("optimum runs layers on their first argument alone, and its need more; use int4_vsq")

    @classmethod
    def missing_packages(cls) -> list[str]:
        """Other versions than those that this was run with count as missing."""
        return [
            f"{name} {wanted}" for name, wanted in _RUN_WITH.items() if not _installed(name).startswith(f"{wanted}.")
        ]

    def foresee_effort(self, config: GptqConfig, work: Workload) -> Effort:
        """Its rows twice through each layer; beside them it solves."""
        rows = min(config.rows, work.rows["train"])
        return Effort((2.0 * rows, 20.0 * rows), 4 * rows * work.tokens * work.hidden)

    def apply(self, subject: Subject, config: GptqConfig, tools: Tools) -> Result:
        """Replace the modules in place."""
        from axkit_plugins.quantize.gptq.model import quantize_model

        names, facts = quantize_model(subject, config, tools)
        if not names:
            return Result(facts=facts, note="No linear layer is left in the layers: nothing changed.")
        return Result(
            state={"linear": names}, facts=facts, note="Weights are expanded at each call: smaller, not faster."
        )

    def restore(self, subject: Subject, config: GptqConfig, state: Mapping[str, object]) -> None:
        """Put empty 4-bit modules where the weights will come; needs none of the optional packages."""
        from axkit.kit import names_in
        from axkit_plugins.quantize.gptq.modules import put_empty

        put_empty(subject.module, names_in(state, "linear"), config.group)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
