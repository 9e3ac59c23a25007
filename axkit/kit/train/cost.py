"""What a training will take, for plans. Imports no torch."""

from __future__ import annotations

from axkit.contract.passes import Effort, Workload
from axkit.ground.cpu import expects_bfloat16
from axkit.ground.target import Target
from axkit.kit.train.settings import TrainingConfig

# answers in float32 that learning from a row costs: there, and twice as much back; measured (docs/first-recipe.md)
_FLOAT32, _BFLOAT16 = (2.6, 3.6), (1.0, 2.2)
_BESIDE = 5  # bytes per token, head and other token: attention's scores, before and behind softmax and dropout
_KERNELS = 2**29  # bytes that they keep for the shapes of a training, about
_ADAM = 3  # numbers for each one that is trained: its gradient, two moments


def training_cost(config: TrainingConfig, target: Target) -> tuple[float, float]:
    """How many times as long as its answer in float32 learning from a row takes, the least and the most.

    On a processor with bfloat16 products take a fraction of the time; norms, gradients and steps do not.

    Args:
        config: of the training.
        target: of the recipe.
    """
    low, high = _BFLOAT16 if _in_bfloat16(config, target) else _FLOAT32
    return (low / 2, high / 2) if config.freeze == "encoder" else (low, high)


def training_effort(config: TrainingConfig, work: Workload, answered: float = 0.0, slower: float = 1.0) -> Effort:
    """What a training takes.

    Args:
        config: its settings.
        work: of the plan, as the model is before it.
        answered: rows that the model, or a teacher of its size, is asked beside.
        slower: times as long as a plain training that each step may take.
    """
    learned = config.epochs * work.rows["train"]
    low, high = training_cost(config, work.target)
    kept = {"nothing": 0, "embeddings": work.embedding_values, "encoder": work.values}[config.freeze]
    trained = max(0, work.values - kept)
    longest = max(work.tokens, work.longest)  # a batch is of rows of like length
    per_token = 18 * work.hidden + 4 * work.ffn_width + _BESIDE * work.heads * longest  # Korthikanti et al. 2022
    seen = config.batch_size * longest * work.layers * per_token * (1 if _in_bfloat16(config, work.target) else 2)
    return Effort(
        rows=(learned * low + answered, learned * high * slower + answered),
        memory_bytes=4 * _ADAM * trained + seen + _KERNELS,
        disk_bytes=4 * (work.values + 2 * trained) if config.checkpoint else 0,
    )


def _in_bfloat16(config: TrainingConfig, target: Target) -> bool:
    """Where the processor does not tell, it is taken to have none, which costs more; GPUs have it."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    return target.kind != "cpu" or bool(expects_bfloat16())
