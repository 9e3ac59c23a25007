"""What mending costs, for plans. Imports no torch."""

from __future__ import annotations

LAST = 4  # times the calibration rows, that a last layer is refitted on where it computes one token of each
_MOST = 10.0  # answers of the model: a row goes through each layer several times, and its products do


def refit_most(rows: float) -> float:
    """Answers of the model that refitting every block costs as much as, at most.

    Args:
        rows: to look at; a last layer of one token a row looks at more, in both models.
    """
    return (_MOST + 2 * LAST) * rows
