"""Our own registered passes that can run here, and settings that let each run on a tiny model in moments."""

from __future__ import annotations

from axkit.ground import registry

OURS = [
    name
    for name, entry in registry.entries(registry.PASSES).items()
    if entry.distribution.startswith("axkit ") and not entry.load().missing_packages()
]
_TRAINING = {"epochs": 1.0, "learning_rate": 1e-3}
SETTINGS = {
    "distill": _TRAINING,
    "drop_layers": {"drop": [1]},
    "finetune": _TRAINING,
    "hard_attention": {"k": 5},
    "q8bert": _TRAINING,
    "structured": {"ratio": 0.3},
}
