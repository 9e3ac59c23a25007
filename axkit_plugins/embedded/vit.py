"""``embedded:vit-small``: a small Vision Transformer for images of 8 x 8 pixels, untrained.

Its weights are random, drawn from a fixed seed: it has learned nothing, and has to be trained from scratch (Dosovitskiy
et al. 2020, arXiv 2010.11929, without their pretraining). Weights have the names that ViT has on the hub, which every
release of transformers reads. Imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from axkit import ModelSource
from axkit_plugins.embedded.cache import cache_folder, write_folder
from axkit_plugins.embedded.checkpoint import Array

_HIDDEN, _FFN, _PATCH = 64, 128, 2
CONFIG = {
    "model_type": "vit",
    "architectures": ["ViTModel"],
    "num_hidden_layers": 6,
    "hidden_size": _HIDDEN,
    "num_attention_heads": 4,
    "intermediate_size": _FFN,
    "image_size": 8,
    "patch_size": _PATCH,
    "num_channels": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
IMAGES = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 8, "width": 8},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5],
    "image_std": [0.5],
}
SEED, SPREAD = 20101192, 0.02  # the spread of the paper's and of transformers' initial weights


def weights() -> dict[str, Array]:
    """Name -> float32 array, the same on every machine."""
    random = np.random.Generator(np.random.PCG64(SEED))
    hidden, ffn, patch = _HIDDEN, _FFN, _PATCH
    tokens = 1 + (8 // 2) ** 2
    made: dict[str, Array] = {}

    def draw(name: str, *shape: int) -> None:
        made[name] = np.clip(random.standard_normal(shape) * SPREAD, -2 * SPREAD, 2 * SPREAD).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> None:
        draw(f"{name}.weight", outputs, inputs)
        made[f"{name}.bias"] = np.zeros(outputs, np.float32)

    def norm(name: str) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = np.ones(hidden, np.float32), np.zeros(hidden, np.float32)

    draw("embeddings.cls_token", 1, 1, hidden)
    draw("embeddings.position_embeddings", 1, tokens, hidden)
    draw("embeddings.patch_embeddings.projection.weight", hidden, 1, patch, patch)
    made["embeddings.patch_embeddings.projection.bias"] = np.zeros(hidden, np.float32)
    for index in range(6):
        layer = f"encoder.layer.{index}"
        norm(f"{layer}.layernorm_before")
        for name in ("query", "key", "value"):
            linear(f"{layer}.attention.attention.{name}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.layernorm_after")
        linear(f"{layer}.intermediate.dense", ffn, hidden)
        linear(f"{layer}.output.dense", hidden, ffn)
    norm("layernorm")
    return made


def _prepare() -> Path:
    target = cache_folder() / "vit-small-1"
    if not (target / "config.json").is_file():
        with write_folder(target) as folder:
            save_file(weights(), folder / "model.safetensors", metadata={"format": "pt"})
            for name, content in (("config.json", CONFIG), ("preprocessor_config.json", IMAGES)):
                (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return target


vit_small = ModelSource(
    "embedded:vit-small",
    "ViT for 8 x 8 pixels, 6 layers of 64, 0.2 M parameters; UNTRAINED: random weights from a fixed seed.",
    _prepare,
)
