"""``axformer_prune``: phase 2 of AxFormer, last layer to first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from axkit.axformer.settings import SearchConfig
from axkit.passes import FLOAT_WEIGHTS, TORCH_MODULE, Pass, Result, Tools

if TYPE_CHECKING:
    from axkit.subject import Subject


class AxformerPruneConfig(SearchConfig):
    """Settings of ``axformer_prune``; the defaults are the paper's."""

    tolerance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the dense search loss that all removals together may cost; the paper's is 0.",
    )
    groups: int = Field(12, ge=1, le=4096, description="Equal groups of feed-forward neurons tried one by one.")
    first_token_only: bool = Field(
        True, description="Compute the last layer for the first token alone, where the head reads no other; exact."
    )


class AxformerPrune(Pass[AxformerPruneConfig]):
    """Remove blocks, then heads and neuron groups, where loss and vote on the search split agree."""

    Config = AxformerPruneConfig
    needs = frozenset({"search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    paper = "Nagarajan et al. 2022, AxFormer, arXiv 2010.03688, accuracy-driven pruning"

    def apply(self, subject: Subject, config: AxformerPruneConfig, tools: Tools) -> Result:
        """Search and carve."""
        from axkit.axformer.search import Search

        newly_first = (
            config.first_token_only and subject.reads_first_token_only and not subject.structure.first_token_only
        )
        if newly_first:
            subject.carve(replace(subject.structure, first_token_only=True))
        before = subject.structure
        cuts = tuple(sorted({layer.hard_k for layer in before.layers if isinstance(layer.hard_k, int)}))
        groups = np.array_split(np.arange(before.ffn_width), min(config.groups, before.ffn_width))
        looks = len(before.layers) * (2 + len(groups) + before.n_heads)
        search = Search(subject, tools, config, looks, config.tolerance, cuts)
        for layer in tools.progress.track(range(len(before.layers) - 1, -1, -1), "accuracy-driven pruning"):
            if before.layers[layer].ffn:
                search.prune_block(layer, "ffn", [group.tolist() for group in groups])
            if before.layers[layer].attention:
                search.prune_block(layer, "attention", [[head] for head in range(before.n_heads)])
        subject.carve(search.structure)
        after = subject.structure
        facts: dict[str, float] = {
            "removed_attention_blocks": float(
                sum(x.attention for x in before.layers) - sum(x.attention for x in after.layers)
            ),
            "removed_ffn_blocks": float(sum(x.ffn for x in before.layers) - sum(x.ffn for x in after.layers)),
            "removed_heads": float(sum(len(x.heads) for x in before.layers) - sum(len(x.heads) for x in after.layers)),
            "removed_neurons": float(
                sum(len(x.neurons) for x in before.layers) - sum(len(x.neurons) for x in after.layers)
            ),
        } | search.facts()
        note = ""
        if after == before:
            note = "No block, head or neuron could be removed under this rule; a tolerance above 0 allows more."
            if newly_first:
                note += " The last layer is computed for the first token alone, which changes no logit."
        return Result(facts=facts, note=note)
