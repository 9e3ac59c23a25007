"""What mending costs, for plans. Imports no torch."""

from __future__ import annotations

LAST = 4  # times the calibration rows, that a last layer is refitted on where it computes one token of each
_MOST = 8.7  # answers of the model: a row goes through each layer several times, and its products do


def problem_bytes(layers: int, width: int, hidden: int) -> int:
    """What the least-squares problems of so many layers' blocks take at a time, in memory.

    Args:
        layers: whose problems are there together; 1 where blocks come one by one.
        width: neurons of a layer.
        hidden: values per token.
    """
    blocks = ((width + 1, hidden), (hidden + 1, hidden))
    matrices = sum(inputs * (inputs + outputs) for inputs, outputs in blocks)
    return 8 * (layers * matrices + 3 * width * width)  # and what is solved, of the widest


def refit_most(rows: float) -> float:
    """Answers of the model that refitting every block costs as much as, at most.

    Args:
        rows: to look at; a last layer of one token a row looks at more, in both models.
    """
    return (_MOST + 2 * (LAST - 1)) * rows
