"""What outputs for a whole text or image say."""

from typing import Any

import numpy as np


def told(logits: np.ndarray, config: dict[str, Any]) -> list[str]:
    """Labels with their shares, the likeliest first; or scores, as the model gives them."""
    problem, names = config.get("problem_type"), config["id2label"]
    if problem == "multi_label_classification":
        values = np.exp(-np.logaddexp(0, -logits))
    elif len(logits) == 1:
        return [f"score\t{logits[0]:.4f}"]
    else:
        values = logits if problem == "regression" else np.exp(logits - np.logaddexp.reduce(logits))
    return [f"{names[str(i)]}\t{values[i]:.4f}" for i in np.argsort(-values)]
