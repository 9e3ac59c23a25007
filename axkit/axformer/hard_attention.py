"""``hard_attention``: phase 1 of AxFormer, first layer to last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit.axformer.bench.storage import foreseen, search_work
from axkit.axformer.settings import NO_LABELS, HardAttentionConfig, split_up
from axkit.contract.passes import Pass, SearchWork, Workload
from axkit.contract.result import Result
from axkit.contract.tools import Tools
from axkit.contract.traits import FLOAT_WEIGHTS, SOFT_ATTENTION, TORCH_MODULE

if TYPE_CHECKING:
    from axkit.contract.subject import Subject


class HardAttention(Pass[HardAttentionConfig]):
    """Layer by layer, keep the K largest attention probabilities where loss and vote on the search split agree."""

    Config = HardAttentionConfig
    purpose = "accuracy: attention that spreads over tokens which do not matter is cut off"
    needs = frozenset({"search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, SOFT_ATTENTION})
    ends = frozenset({SOFT_ATTENTION})
    paper = "Nagarajan et al. 2022, AxFormer, arXiv 2010.03688, selective hard attention"

    def without_labels(self, config: HardAttentionConfig) -> str:
        """The paper's rule asks for answers that are better than the dense model's."""
        return f"{NO_LABELS}leave it out"

    def foresee_work(self, config: HardAttentionConfig, work: Workload) -> str:
        """What the cached hidden states will take."""
        return foreseen(self.foresee_search(config, work), work)

    def foresee_search(self, config: HardAttentionConfig, work: Workload) -> SearchWork:
        """Each K in each layer; what is above the layer is run, and rows that a K leaves alone are not."""
        rows = split_up(work.rows["search"], config.search_rows)
        candidates = work.layers * len(config.choices)
        passes = len(config.choices) * (work.layers + 1) / 2
        return search_work(config, work, rows, False, (candidates, candidates), (passes / 2, passes))

    def apply(self, subject: Subject, config: HardAttentionConfig, tools: Tools) -> Result:
        """Search, and leave the accepted layers hard."""
        from axkit.axformer.search.fresh import choosing
        from axkit.axformer.search.greedy import begin, kept_of

        lengths = choosing(tools, config).search.lengths
        choices = [k for k in config.choices if (kept_of(k, lengths) < lengths).any()]
        if not choices:
            shown = ", ".join(f"{k:g}" for k in config.choices)
            note = (
                f"No search input has more than K = {shown} tokens (the longest: {lengths.max()}): nothing to change."
            )
            return Result(facts={"hard_layers": 0.0}, note=note)
        layers = subject.structure.layers
        cuts = tuple(k for k in choices if isinstance(k, int))
        search = begin(subject, tools, config, looks=len(layers) * len(choices), cuts=cuts)
        for layer in tools.progress.track(range(len(layers)), "hard attention"):
            if not layers[layer].attention or not layers[layer].heads:
                continue
            for k in choices:
                name = f"hard/{layer}" if len(config.choices) == 1 else f"hard/{layer}/k/{k:g}"
                search.harden(layer, k, name)
        subject.carve(search.structure)
        hard = sum(layer.hard_k is not None for layer in subject.structure.layers)
        facts = search.facts() | {
            "hard_layers": float(hard),
            "inputs_longer_than_k_percent": 100.0 * float((kept_of(min(choices), lengths) < lengths).mean()),
        }
        return Result(facts=facts, note="" if hard else "No layer improved with hard attention: nothing changed.")
