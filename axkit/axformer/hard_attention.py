"""``hard_attention``: phase 1 of AxFormer, first layer to last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit.passes import FLOAT_WEIGHTS, SOFT_ATTENTION, TORCH_MODULE, Pass, PassConfig, Result, Tools

if TYPE_CHECKING:
    from axkit.subject import Subject


class HardAttentionConfig(PassConfig):
    """Settings of ``hard_attention``; the defaults are the paper's."""

    k: int = Field(30, ge=1, le=8192, description="Probabilities kept per head and query.")
    vote: float = Field(0.5, ge=0, lt=1, description="Share of samples that must not get worse.")


class HardAttention(Pass[HardAttentionConfig]):
    """Layer by layer, keep the K largest attention probabilities where loss and vote on the search split agree."""

    Config = HardAttentionConfig
    needs = frozenset({"search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, SOFT_ATTENTION})
    ends = frozenset({SOFT_ATTENTION})
    paper = "Nagarajan et al. 2022, AxFormer, arXiv 2010.03688, selective hard attention"

    def apply(self, subject: Subject, config: HardAttentionConfig, tools: Tools) -> Result:
        """Search, and leave the accepted layers hard."""
        from axkit.axformer.search import Rule, Search

        longest = int(tools.search.lengths.max())
        if longest <= config.k:
            note = (
                f"No search input has more than K = {config.k} tokens (the longest has {longest}): nothing to change."
            )
            return Result(facts={"hard_layers": 0.0}, note=note)
        search = Search(subject, tools, Rule(config.vote), cuts=(config.k,))
        hard = 0
        for layer in tools.progress.track(range(len(subject.structure.layers)), "hard attention"):
            now = subject.structure.layers[layer]
            if not now.attention or not now.heads:
                continue
            hard += search.harden(layer, config.k)
        subject.carve(search.structure)
        facts = {
            "hard_layers": float(hard),
            "evaluations": float(search.evaluations),
            "search_loss_before_nats": search.base_loss,
            "search_loss_after_nats": search.best,
            "inputs_longer_than_k_percent": 100.0 * float((tools.search.lengths > config.k).mean()),
        }
        return Result(facts=facts, note="" if hard else "No layer improved with hard attention: nothing changed.")
