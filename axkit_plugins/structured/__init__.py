"""``structured``: remove the heads and neurons, or whole layers, that torch-pruning scores lowest. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from axkit import FLOAT_WEIGHTS, TORCH_MODULE, NotApplicable, Pass, PassConfig, Result, Tools

if TYPE_CHECKING:
    from axkit import Family, Structure, Subject


class StructuredConfig(PassConfig):
    """Settings of ``structured``; ``ratio``, ``bytes`` or ``speedup`` says how much goes."""

    ratio: float | None = Field(None, gt=0, lt=1, description="Share of the encoder layers' parameters to remove.")
    bytes: float | None = Field(
        None, gt=0, lt=1, description="Share of all weight bytes to remove, embeddings counted, from the layers alone."
    )
    speedup: float | None = Field(
        None, gt=1, le=100, description="Times as fast as the dense model, measured here: no more goes than that needs."
    )
    timed_rows: Literal[1, 32] = Field(
        32, description="Rows at a time where 'speedup' is measured: 32 for throughput, 1 for latency."
    )
    what: Literal["heads_and_neurons", "heads", "neurons", "layers"] = Field(
        "heads_and_neurons", description="What may go."
    )
    importance: Literal["magnitude", "taylor", "fisher", "obs"] = Field(
        "taylor",
        description="Squared weights; weight times gradient; squared weight times Fisher information; or what is still "
        "missed when the rest has been refitted (Optimal Brain Surgeon), which needs no labels.",
    )
    mend: bool = Field(
        False, description="Refit each cut block's output projection, in closed form, to what it gave before the cut."
    )
    mend_rows: int = Field(
        1024, ge=1, description="Training rows, without their labels, that 'obs' and 'mend' look at."
    )
    scope: Literal["uniform", "global"] = Field(
        "global", description="The same share of every layer, or the least important wherever; layers: always global."
    )
    rows: int = Field(256, ge=1, description="Training rows that gradients are taken on; magnitude needs none.")
    at_least: float = Field(0.1, ge=0, le=1, description="Share of its heads, and of its neurons, that a layer keeps.")
    round_to: int = Field(1, ge=1, description="Kept neurons per layer become a multiple of this; kernels like 32.")

    @model_validator(mode="after")
    def _one_of_two(self) -> StructuredConfig:
        if sum(target is not None for target in (self.ratio, self.bytes, self.speedup)) != 1:
            raise ValueError("give one of 'ratio' and 'bytes', shares to remove such as 0.3, or 'speedup' such as 1.5")
        return self


class Structured(Pass[StructuredConfig]):
    """Score coupled channels, remove the least important heads, neurons or layers, all at once.

    Nothing is trained and no candidate is scored: mend what is left, or let a pass that trains follow. With
    ``speedup`` candidates of several sizes are timed on rows of the search split; its labels are not used.
    """

    Config = StructuredConfig
    purpose = "a given size or speed at once, without a search"
    needs = frozenset({"train", "search", "dense"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    extra = "structured"
    packages = ("torch_pruning",)
    paper = (
        "Fang et al. 2023, DepGraph, arXiv 2301.12900; Molchanov et al. 2019, arXiv 1906.10771 (taylor); "
        "LeCun et al. 1989, Optimal Brain Damage, with the empirical Fisher matrix (fisher); "
        "Michel et al. 2019, arXiv 1905.10650 (heads); Hassibi and Stork 1993 and Kurtic et al. 2023, arXiv 2302.04089 "
        "(obs)"
    )

    def needs_of(self, config: StructuredConfig) -> frozenset[str]:
        """Only speed is measured beside the dense model, on rows of the search split."""
        return self.needs if config.speedup is not None else frozenset({"train"})

    def check(self, family: Family, config: StructuredConfig) -> None:
        """torch-pruning follows projections of their own only; obs asks the output projections alone."""
        if family.fused_qkv and config.importance != "obs":
            raise NotApplicable(
                "torch-pruning cannot follow its fused query, key and value; give 'importance: obs', or use "
                "axformer_prune or drop_layers"
            )
        if family.shared_layers and config.what == "layers":
            raise NotApplicable("all its layers are one module, which cannot be removed; give 'what: neurons'")

    def apply(self, subject: Subject, config: StructuredConfig, tools: Tools) -> Result:
        """Score, choose, carve.

        Raises:
            NotApplicable: torch-pruning cannot follow the model, or all that may go does not make it fast enough.
        """
        from axkit.kit.calibrate import Calibration
        from axkit_plugins.structured import choose, obs, score, timed

        before = subject.structure
        looked_at = Calibration(tools.train, config.mend_rows) if config.mend or config.importance == "obs" else None
        if looked_at is not None and config.importance == "obs":
            scored, rows = obs.score(subject, looked_at), looked_at.rows
        else:
            scored = score.score(subject, config, tools)
            rows = 0 if config.importance == "magnitude" else min(config.rows, len(tools.train))
        size = score.size_of(subject)
        if config.speedup is not None:
            structure, facts = timed.choose_by_speed(subject, scored, config, size, tools)
            wanted = 0.0
        else:
            wanted = config.ratio * size.layers if config.ratio is not None else (config.bytes or 0.0) * size.model
            structure, facts = choose.choose(before, scored, config, size, wanted), {}
        if looked_at is not None and config.mend and structure != before:
            obs.cut(subject, structure, config, looked_at)
            structure = subject.structure
        else:
            subject.carve(structure)
        left = score.size_of(subject)
        facts |= {
            "removed_heads": _count(before, "heads") - _count(structure, "heads"),
            "removed_neurons": _count(before, "neurons") - _count(structure, "neurons"),
            "removed_layers": _count(before, "present") - _count(structure, "present"),
            "removed_of_layers_percent": 100.0 * (1 - left.layers / size.layers),
            "removed_of_model_percent": 100.0 * (1 - left.model / size.model),
            "rows": float(rows),
        }
        if config.speedup is not None and structure == before:
            note = (
                f"It is {facts['speedup_before_ratio']:.2f} times as fast as the dense model already: nothing changed."
            )
        else:
            note = _note(before, structure, 1 - left.model / size.model, wanted / size.model)
        return Result(facts=facts, note=note)


def _count(structure: Structure, what: str) -> float:
    found = [getattr(layer, what) for layer in structure.layers]
    return float(sum(value if isinstance(value, bool) else len(value) for value in found))


def _note(before: Structure, after: Structure, removed: float, wanted: float) -> str:
    if before == after:
        return "The share asked for is less than the smallest part that could go: nothing changed."
    if removed < 0.9 * wanted:
        return f"{removed:.0%} of the model went of {wanted:.0%} asked for: at_least, round_to and what allow no more."
    return ""
