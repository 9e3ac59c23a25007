"""Folders as earlier releases wrote them, put together by hand: what they wrote must go on loading."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from axkit.contract.subject import Subject


def write_0_1_0(subject: Subject, tokenizer: Any, folder: Path) -> None:
    """A carved or quantized model as 0.1.0 saved it: no step of the trail says what structure it left."""
    steps = [
        {
            "name": step.name,
            "source": step.source,
            "config": dict(step.config),
            "state": None if step.state is None else dict(step.state),
            "facts": dict(step.facts),
        }
        for step in subject.trail
    ]
    structure = subject.structure.to_json()
    stock = type(subject.module)
    config = {k: v for k, v in subject.module.config.to_dict().items() if k != "axkit"}
    config |= {
        "model_type": f"axkit_{subject.family.model_type}",
        "architectures": [f"Axkit{stock.__name__.removeprefix('Axkit')}"],
        "axkit": {"structure": structure, "trail": [step for step in steps if step["state"] is not None]},
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    weights = {name: tensor.detach().contiguous() for name, tensor in subject.module.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    manifest = {
        "format": 1,
        "axkit": "0.1.0",
        "structure": structure,
        "trail": steps,
        "about": {},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())},
    }
    (folder / "axkit.json").write_text(json.dumps(manifest))
