"""``q8bert``: train with weights and activations rounded to 8 bits, so that ``int8`` after it costs less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, Pass, Result, Tools
from axkit.kit import training_effort
from axkit_plugins.quantize.q8bert.settings import Q8bertConfig

if TYPE_CHECKING:
    from axkit import Effort, Subject, Workload


_ROUNDING = 2.0  # times as long as a plain training that it may take


def _mean_of_all(largest: Mapping[str, float], tools: Tools) -> dict[str, float]:
    """Each process saw rows of its own."""
    import numpy as np

    names = sorted(largest)
    mean = tools.processes.sum(np.array([largest[name] for name in names])) / tools.processes.count
    return dict(zip(names, mean.tolist(), strict=True))


class Q8bert(Pass[Q8bertConfig]):
    """Quantization-aware training: symmetric 8 bits in the forward pass, gradients straight through the rounding.

    Weights are rounded as ``int8`` stores them, inputs of linear layers to a range that a moving average of their
    largest value sets. The model that is left is in float; the ranges go with it. ``int8`` uses them, and a search in
    between decides on the rounded model.
    """

    Config = Q8bertConfig
    purpose = "models that lose too much in int8: trained to be rounded, then converted by int8"
    needs = frozenset({"train", "search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})
    extra = "train"
    packages = ("accelerate",)
    paper = "Zafrir et al. 2019, Q8BERT, arXiv 1910.06188; straight-through: Bengio et al. 2013, arXiv 1308.3432"

    def foresee_effort(self, config: Q8bertConfig, work: Workload) -> Effort:
        """Of a training that rounds at each step."""
        return training_effort(config, work, answered=work.rows["search"], slower=_ROUNDING)

    def apply(self, subject: Subject, config: Q8bertConfig, tools: Tools) -> Result:
        """Train in place."""
        from axkit.kit import linear_names, state_of_ranges, train_model
        from axkit_plugins.quantize.q8bert.fake import fake_quantized

        names = linear_names(subject, config.skip)
        with fake_quantized(subject.module, names, config.embeddings, config.ema_decay) as largest:
            facts = train_model(subject.module, config, tools, numbers=largest)
            largest.update(_mean_of_all(largest, tools))
            with tools.device.holding(subject.module):
                rounded = tools.search.evaluate(subject.module)
        facts |= {"search_score_rounded_points": rounded.score, "search_loss_rounded_nats": rounded.loss}
        return Result(state=state_of_ranges({name: (-high, high) for name, high in largest.items()}), facts=facts)

    def rehearse(self, subject: Subject, config: Q8bertConfig, state: Mapping[str, object]) -> None:
        """Round for good: weights to the values of 8 bits, inputs as they come."""
        import torch

        from axkit.kit import embedding_names, linear_names, ranges_of_state
        from axkit_plugins.quantize.q8bert.fake import round_for_good

        if subject.module.dtype != torch.float32:  # int8 cannot follow any more
            return
        learned = ranges_of_state(state) or {}
        highest = {name: learned[name][1] for name in linear_names(subject) if name in learned}
        round_for_good(subject.module, highest, embedding_names(subject) if config.embeddings else ())

    def restore(self, subject: Subject, config: Q8bertConfig, state: Mapping[str, object]) -> None:
        """Nothing: the modules are those of the float model; the state is for ``int8``."""
