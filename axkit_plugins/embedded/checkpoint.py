"""Write what a package carries as a checkpoint of transformers. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

Array = npt.NDArray[np.float32]


def clear_truncation(path: Path) -> None:
    """Let a tokenizer.json neither pad nor truncate by itself; axkit tells it with each call."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def write_checkpoint(folder: Path, config: Mapping[str, object], weights: Mapping[str, Array]) -> None:
    """Write config.json and model.safetensors into a folder.

    Args:
        folder: must exist.
        config: of transformers.
        weights: name -> numpy array.
    """
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
