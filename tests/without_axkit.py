"""Run by itself: load folders by transformers alone, in a process where axkit cannot be imported, and note answers.

``python tests/without_axkit.py ROOT``: of each folder ROOT/name the inputs are in ROOT/name.in.safetensors, and its
answers come into ROOT/name.out.safetensors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class NoAxkit:
    """Finds no axkit: an import of it fails."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in ("axkit", "axkit_plugins"):
            raise ImportError(f"{name} is not to be had here")


def main(root: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.suffix):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
        auto = getattr(transformers, f"AutoModelFor{config.architectures[0].partition('For')[2]}")
        model, info = auto.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
        assert not any(info.values()), (folder, info)
        with torch.no_grad():
            answers = model.eval()(**load_file(root / f"{folder.name}.in.safetensors"))
        logits = {name: value.contiguous() for name, value in answers.items() if name.endswith("logits")}
        save_file(logits, root / f"{folder.name}.out.safetensors")

        if folder.name == "pipeline":
            ask_in_words(transformers, folder)


def ask_in_words(transformers: Any, folder: Path) -> None:
    """As most people do; and without the word that lets code run."""
    pipeline = transformers.pipeline("text-classification", model=str(folder), trust_remote_code=True)
    (folder.parent / "said.json").write_text(json.dumps(pipeline("the film was good", top_k=None)))
    try:
        transformers.AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=False)
    except ValueError as error:
        (folder.parent / "refused.txt").write_text(str(error))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    model.save_pretrained(folder.parent / "again.saved")


if __name__ == "__main__":
    sys.meta_path.insert(0, NoAxkit())
    main(Path(sys.argv[1]))
    assert not {"axkit", "axkit_plugins"} & set(sys.modules)
