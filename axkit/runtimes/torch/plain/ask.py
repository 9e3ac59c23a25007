"""Run by itself, as a script: ask a folder by transformers alone, in a process where axkit cannot be imported.

``python -P ask.py FOLDER ASKED ANSWERS``: two safetensors files; a tensor ``batch/input`` of the one gives tensors
``batch/output`` in the other. With a tokenizer in the folder, ``words`` of ASKED's metadata come back as ``ids``.
"""

from __future__ import annotations

import sys
from typing import Any


class NoAxkit:
    """Finds no axkit: an import of it fails, as where it is not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """None: others may find it."""
        if name.partition(".")[0] in ("axkit", "axkit_plugins"):
            raise ImportError(f"{name} is not to be had here")


def main(folder: str, asked: str, answers: str) -> None:
    """Load, ask, write."""
    import torch
    import transformers
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    transformers.logging.set_verbosity_error()
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    auto = getattr(transformers, f"AutoModelFor{config.architectures[0].rpartition('For')[2]}")
    model, info = auto.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    lost = sorted(str(name) for name in (*info["missing_keys"], *info["mismatched_keys"]))
    if lost:
        raise ValueError(f"{len(lost)} weights would be drawn at random, {lost[0]} first")
    batches: dict[str, dict[str, Any]] = {}
    for key, value in load_file(asked).items():
        batches.setdefault(key.rpartition("/")[0], {})[key.rpartition("/")[2]] = value
    found = {}
    with torch.inference_mode():
        for batch, inputs in batches.items():
            for name, value in model.eval()(**inputs).items():
                if name.endswith("logits"):
                    found[f"{batch}/{name}"] = value.clone().contiguous()
    with safe_open(asked, "pt") as file:
        words = (file.metadata() or {}).get("words")
    if words:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        found["ids"] = torch.tensor(tokenizer(words)["input_ids"])
    save_file(found, answers)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoAxkit())
    main(*sys.argv[1:])
