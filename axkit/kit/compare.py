"""How far a model's answers move when something in it is changed."""

from __future__ import annotations

from torch import Tensor, nn

from axkit.tasks.kinds.base import TaskKind


def divergence_key(kind: TaskKind) -> str:
    """What ``divergence`` is called in a table, with its unit."""
    return "moves_squared" if kind.about.problem_type == "regression" else "moves_nats"


def divergence(kind: TaskKind, expected: Tensor, found: Tensor) -> float:
    """KL(expected || found) of a task's probabilities, mean over rows, in nats; of a number: the squared difference.

    Args:
        kind: of the task.
        expected: logits as ``kind.logits`` gives them, float32.
        found: others on the same rows, of the same shape.
    """
    if kind.about.problem_type == "regression":
        return float((expected - found).square().mean())
    p, q = (kind.outcomes(logits).log_softmax(-1) for logits in (expected, found))
    return max(0.0, float(nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1).mean()))
