"""``structured``: remove the heads and neurons, or whole layers, that torch-pruning scores lowest. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import FLOAT_WEIGHTS, TORCH_MODULE, Effort, Gain, NotApplicable, Pass, Result, Tools
from axkit.kit import problem_bytes, refit_most
from axkit_plugins.structured.settings import StructuredConfig

if TYPE_CHECKING:
    from axkit import Family, Subject, Workload


_TIMED_ROWS = (500, 8000)  # candidates of several sizes, each beside the dense model


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
        for part in config.parts:
            if part in family.limits:
                raise NotApplicable(f"its {part} cannot go one by one: {family.limits[part]}; {_way_out(family)}")
        if family.fused_qkv and config.importance != "obs":
            raise NotApplicable(
                "torch-pruning cannot follow its fused query, key and value; give 'importance: obs', or use "
                "axformer_prune or drop_layers"
            )
        if family.per_head_inputs and config.importance != "obs":
            raise NotApplicable(
                f"torch-pruning takes the heads of all its layers for one, as they share {family.per_head_inputs[0]}; "
                f"give 'importance: obs', or use axformer_prune or drop_layers"
            )
        if family.shared_layers and config.what == "layers":
            raise NotApplicable(f"all its layers are one module, which cannot be removed; {_way_out(family)}")

    def foresee_effort(self, config: StructuredConfig, work: Workload) -> Effort:
        """Gradients of a few rows, or what the refit sees of more; timings, where speed is asked for."""
        there = work.rows["train"]
        graded = 0 if config.importance in ("magnitude", "obs") else min(config.rows, there)
        seen = min(config.mend_rows, there) if config.mend or config.importance == "obs" else 0
        timed = (0, 0) if config.speedup is None else _TIMED_ROWS
        rows = (3.0 * graded + 2 * seen + timed[0], 4.0 * graded + refit_most(seen) + timed[1])
        solved = work.layers if config.importance == "obs" else int(config.mend)  # all layers' problems, or one
        matrices = problem_bytes(solved, work.ffn_width, work.hidden) if solved else 0
        return Effort(rows, (8 * work.values if graded else 0) + matrices)

    def foresee_gain(self, config: StructuredConfig, work: Workload | None) -> Gain:
        """No more than it is told."""
        if config.speedup is not None:
            return Gain((1.0, config.speedup), (1.0, config.speedup))
        if config.ratio is None:
            return Gain((1.0, None), (1.0, 1 / (1 - (config.bytes or 0.0))))
        most = 1 / (1 - config.ratio)
        return Gain((1.0, most), (1.0, most))

    def apply(self, subject: Subject, config: StructuredConfig, tools: Tools) -> Result:
        """Score, choose, carve.

        Raises:
            NotApplicable: torch-pruning cannot follow the model, or all that may go does not make it fast enough.
        """
        from axkit_plugins.structured.work import cut_to_size

        return cut_to_size(subject, config, tools)


def _way_out(family: Family) -> str:
    """What a family can lose by this pass, as a setting of it; where that is nothing, the pass that takes blocks."""
    can = [f"'what: {part}'" for part in ("neurons", "heads") if part not in family.limits]
    can += [] if family.shared_layers else ["'what: layers'"]
    return f"give {' or '.join(can)}" if can else "use axformer_prune, which removes whole blocks"
