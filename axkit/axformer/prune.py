"""``axformer_prune``: phase 2 of AxFormer, last layer to first; or, with a budget, whatever buys most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from axkit.axformer.bench.storage import MORE_ROUNDS, foreseen, search_work, table_work
from axkit.axformer.settings import BUDGET_ROWS, NO_DIVERGENCE, NO_LABELS, OF_OBJECTIVE, AxformerPruneConfig, split_up
from axkit.contract.passes import Effort, Gain, Pass, SearchWork, Workload
from axkit.contract.result import Result
from axkit.contract.tools import Tools
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE
from axkit.ground.errors import NotApplicable
from axkit.kit.mend_cost import refit_most

if TYPE_CHECKING:
    from axkit.anatomy.family import Family
    from axkit.anatomy.structure import Structure
    from axkit.contract.subject import Subject


_NOTHING = {
    "accuracy": "No block, head or neuron could be removed under this rule; a tolerance above 0 allows more.",
    "budget": "The target is met with every block, head and neuron there.",
}


class AxformerPrune(Pass[AxformerPruneConfig]):
    """Remove blocks, then heads and neuron groups, where loss and vote on the search split agree."""

    Config = AxformerPruneConfig
    purpose = "a smaller and faster model that answers as well as before, or better"
    needs = frozenset({"train", "search", "dense"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    each = ("speedup", "size")
    paper = "Nagarajan et al. 2022, AxFormer, arXiv 2010.03688, accuracy-driven pruning"

    def needs_of(self, config: AxformerPruneConfig) -> frozenset[str]:
        """A budget is held, and time is bought, against the dense model; mending looks at training rows."""
        spared = {"dense"} if config.objective == "accuracy" else set()
        return self.needs - spared - (set() if config.mends else {"train"})

    def check(self, family: Family, config: AxformerPruneConfig) -> None:
        """A budget needs a target, and a target a budget."""
        if config.criterion == "divergence" and config.objective == "accuracy":
            raise NotApplicable(f"criterion divergence {NO_DIVERGENCE}")
        if config.objective == "budget" and config.speedup is None and config.size is None:
            raise NotApplicable("objective budget has no target: give 'speedup' or 'size', or both")
        other = next(one for one in OF_OBJECTIVE if one != config.objective)
        fields = type(config).model_fields
        for name in OF_OBJECTIVE[other]:
            if getattr(config, name) != fields[name].default:
                raise NotApplicable(f"'{name}' is for objective {other}: add 'objective: {other}', or take it out")

    def without_labels(self, config: AxformerPruneConfig) -> str:
        """The paper's rule asks for answers that are better than the dense model's."""
        return f"{NO_LABELS}take 'objective: budget'" if config.objective == "accuracy" else ""

    def foresee_work(self, config: AxformerPruneConfig, work: Workload) -> str:
        """What the cached hidden states will take."""
        return foreseen(self.foresee_search(config, work), work)

    def foresee_effort(self, config: AxformerPruneConfig, work: Workload) -> Effort:
        """Beside the search: a training after each round; by the rule, one refit at the end."""
        refit = min(config.mend_rows, work.rows["train"]) if config.mends and config.objective == "accuracy" else 0
        return Effort((2.0 * refit, refit_most(refit)), runs=(config.rounds, config.rounds + MORE_ROUNDS))

    def foresee_gain(self, config: AxformerPruneConfig, work: Workload | None) -> Gain | None:
        """A budget ends at its targets, or before; what the rule removes only the run can tell."""
        if config.objective != "budget":
            return None
        speedup, size = config.speedup or 1.0, config.size or 1.0
        return Gain((1.0, speedup if config.speedup else None), (1.0, max(speedup, size)))

    def foresee_search(self, config: AxformerPruneConfig, work: Workload) -> SearchWork:
        """By the rule: the two blocks of each layer, and the parts of those that come near. A budget: by its table."""
        layers, parts = work.layers, work.heads + min(config.groups, work.ffn_width)
        if config.objective == "budget":
            rows = min(work.rows["search"], BUDGET_ROWS)
            if config.mends:
                return table_work(config, work, rows, config.mend_rows, config.rounds)
            return search_work(config, work, (rows, 0), opens=False)
        blocks = layers + 1.0  # whole passes: what is below a layer is not run again
        return search_work(
            config,
            work,
            split_up(work.rows["search"], config.search_rows),
            opens=True,
            candidates=(2 * layers, layers * (2 + parts)),
            passes=(blocks / 2, blocks + parts * layers / 2),
        )

    def apply(self, subject: Subject, config: AxformerPruneConfig, tools: Tools) -> Result:
        """Search and carve."""
        newly_first = (
            config.first_token_only and subject.reads_first_token_only and not subject.structure.first_token_only
        )
        if newly_first:
            subject.carve(replace(subject.structure, first_token_only=True))
        before = subject.structure
        result = (
            _by_budget(subject, config, tools) if config.objective == "budget" else _by_rule(subject, config, tools)
        )
        note = result.note
        if subject.structure == before and not note:
            note = _NOTHING[config.objective]
            if newly_first:
                note += " The last layer is computed for the first token alone, which changes no logit."
        note = " ".join(filter(None, (note, *_left_out(subject.family, config))))
        return replace(result, facts=_removed(before, subject.structure) | dict(result.facts), note=note)


def _left_out(family: Family, config: AxformerPruneConfig) -> Iterator[str]:
    """A sentence for each thing that the family's limits kept from being tried."""
    for part in ("heads", "neurons"):
        if part in family.limits:
            yield f"Single {part} were not tried: {family.limits[part]}."
    if config.first_token_only and "first_token_only" in family.limits:
        yield f"The last layer is not computed for the first token alone: {family.limits['first_token_only']}."


def _by_rule(subject: Subject, config: AxformerPruneConfig, tools: Tools) -> Result:
    from axkit.axformer.search.greedy import begin
    from axkit.kit.calibrate import Calibration
    from axkit.kit.mend import cut_to

    before = subject.structure
    cuts = tuple(sorted({layer.hard_k for layer in before.layers if isinstance(layer.hard_k, int)}))
    neurons = np.array_split(np.arange(before.ffn_width), min(config.groups, before.ffn_width))
    groups = [] if "neurons" in subject.family.limits else [group.tolist() for group in neurons]
    heads = [] if "heads" in subject.family.limits else [[head] for head in range(before.n_heads)]
    looks = len(before.layers) * (2 + len(groups) + len(heads))
    search = begin(subject, tools, config, looks, config.tolerance, cuts)
    for layer in tools.progress.track(range(len(before.layers) - 1, -1, -1), "accuracy-driven pruning"):
        if before.layers[layer].ffn:
            search.prune_block(layer, "ffn", groups)
        if before.layers[layer].attention:
            search.prune_block(layer, "attention", heads)
    if config.mends:
        with tools.device.holding(subject.module):
            cut_to(subject, search.structure, Calibration(tools.train, config.mend_rows))
    else:
        subject.carve(search.structure)
    return Result(facts=search.facts())


def _by_budget(subject: Subject, config: AxformerPruneConfig, tools: Tools) -> Result:
    from axkit.axformer.budget.rounds import begin

    search = begin(subject, tools, config)
    search.run()
    facts = {"evaluations": float(search.ledger.evaluations), "rounds": float(search.frontier[-1].round)}
    return Result(facts=facts, note=search.note, tables={"frontier": [one.to_json() for one in search.frontier]})


def _removed(before: Structure, after: Structure) -> dict[str, float]:
    """How much of each went."""
    pairs = list(zip(before.layers, after.layers, strict=True))
    return {
        "removed_attention_blocks": float(sum(a.attention - b.attention for a, b in pairs)),
        "removed_ffn_blocks": float(sum(a.ffn - b.ffn for a, b in pairs)),
        "removed_heads": float(sum(len(a.heads) - len(b.heads) for a, b in pairs)),
        "removed_neurons": float(sum(len(a.neurons) - len(b.neurons) for a, b in pairs)),
    }
