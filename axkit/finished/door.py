"""Run by itself: ask a folder by axkit. ``python -m axkit.finished.door FOLDER ASKED ANSWERS``, as ``plain/ask.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from axkit.contract.body import Body
from axkit.ground.errors import AxkitError

if TYPE_CHECKING:
    from torch import Tensor


def answered(body: Body, asked: str | Path) -> dict[str, Tensor]:
    """What a body says to the batches in a file: "batch/output" -> (rows, ...)."""
    from safetensors.torch import load_file

    batches: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(asked).items():
        batches.setdefault(key.rpartition("/")[0], {})[key.rpartition("/")[2]] = value
    found = {}
    for batch, inputs in batches.items():
        for name, value in body.answer(inputs).items():
            if name.endswith("logits"):
                found[f"{batch}/{name}"] = value.clone().contiguous()
    return found


def main(folder: str, asked: str, answers: str) -> None:
    """Load by the folder's own runtime, ask, write."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    from axkit.finished.opened import open_finished

    opened = open_finished(Path(folder))
    found = answered(opened.subject.body, asked)
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
