"""A metric for axkit: agreement beyond chance (Cohen 1960)."""

import numpy as np

from axkit.kit.kinds import Metric


def cohen_kappa(predictions, golds, names):
    """How far predictions agree with golds beyond what their frequencies would give, in points; 0 where none could."""
    size = max(len(names), int(max(predictions.max(), golds.max())) + 1)
    shares = [np.bincount(part, minlength=size) / len(golds) for part in (predictions, golds)]
    agreed, expected = float(np.mean(predictions == golds)), float((shares[0] * shares[1]).sum())
    return 100.0 * (agreed - expected) / (1 - expected) if expected < 1 else 0.0


COHEN_KAPPA = Metric(
    "cohen_kappa",
    cohen_kappa,
    "agreement of classes beyond chance",
    kinds=("classification", "image_classification", "ordinal"),
)
