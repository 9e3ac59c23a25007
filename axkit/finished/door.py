"""Run by itself: ask a folder by axkit. ``python -m axkit.finished.door FOLDER ASKED ANSWERS``, as ``plain/ask.py``."""

from __future__ import annotations

import sys
from pathlib import Path

from axkit.ground.errors import AxkitError


def main(folder: str, asked: str, answers: str) -> None:
    """Load by the folder's own runtime, ask, write."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    from axkit.finished.opened import open_finished

    opened = open_finished(Path(folder))
    batches: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in load_file(asked).items():
        batches.setdefault(key.rpartition("/")[0], {})[key.rpartition("/")[2]] = value
    found = {}
    for batch, inputs in batches.items():
        for name, value in opened.subject.body.answer(inputs).items():
            if name.endswith("logits"):
                found[f"{batch}/{name}"] = value.clone().contiguous()
    with safe_open(asked, "pt") as file:
        words = (file.metadata() or {}).get("words")
    if words:
        found["ids"] = torch.tensor(opened.reader(words)["input_ids"])
    save_file(found, answers)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except AxkitError as error:
        sys.exit(f"error: {error}")
