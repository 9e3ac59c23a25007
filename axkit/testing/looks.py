"""How a model answers, and how it does once it was saved and loaded: what the checks compare."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from axkit.contract.subject import Subject
from axkit.runtimes.folder import load_subject, save
from axkit.tasks.split import Split

TOLERANCE = 1e-5  # of logits


def logits_of(model: Any, split: Split) -> torch.Tensor:
    """Logits for all rows in padded batches of 16, in eval mode: (rows, labels)."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(**batch.inputs).logits for batch in split.batches(16)])


def answers_of(subject: Subject, split: Split) -> torch.Tensor:
    """Logits for all rows in the same batches, of a body of whatever runtime: (rows, labels)."""
    return torch.cat([subject.body.answer(batch.inputs)["logits"] for batch in split.batches(16)])


def reload(subject: Subject, tokenizer: Any) -> Subject:
    """Save to a temporary folder and load again."""
    with tempfile.TemporaryDirectory() as folder:
        save(subject, tokenizer, Path(folder))
        return replace(load_subject(folder), reader=tokenizer)


def say(kept: bool, clause: str) -> None:
    """Raise AssertionError with the clause that was not kept."""
    if not kept:
        raise AssertionError(clause)
