"""A body that is no model: it looks its answers up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from axkit import CheckpointError, Manifest

TABLE, KEYS = "answers.safetensors", "answers.json"


def keys_of(inputs: Mapping[str, Tensor]) -> list[str]:
    """A name for each row of a batch: the hash of its ids without the padding, which depends on the batch."""
    masks = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    rows = (ids[mask].tolist() for ids, mask in zip(inputs["input_ids"], masks, strict=True))
    return [hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:32] for ids in rows]


@dataclass(eq=False)
class AnswersBody:
    """A table of answers; implements ``axkit.Body``.

    Attributes:
        config: of the model whose answers they are.
        rows: name of a row -> its place in the table.
        table: logits, (answers + 1, outputs), float32; the last is for rows that nobody has asked about before.
    """

    runtime: ClassVar[str] = "answers"

    config: Mapping[str, Any]
    rows: Mapping[str, int]
    table: Tensor

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """``logits``: (batch, outputs)."""
        last = len(self.table) - 1
        return {"logits": self.table[[self.rows.get(key, last) for key in keys_of(inputs)]]}

    def wait(self) -> None:
        """An answer is there when it is given."""

    def values(self) -> int:
        """Numbers in the table."""
        return self.table.numel()

    def copy(self) -> Self:
        """Own table."""
        return replace(self, table=self.table.clone())

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """Two files; config.json is written by axkit."""
        save_file({"logits": self.table}, folder / TABLE)
        (folder / KEYS).write_text(json.dumps(dict(self.rows)), encoding="utf-8")
        return [folder / TABLE, folder / KEYS]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """The files are those that were saved: axkit has compared their hashes."""
        rows = json.loads((folder / KEYS).read_text(encoding="utf-8"))
        table = load_file(folder / TABLE)["logits"]
        if len(rows) + 1 != len(table):
            raise CheckpointError(f"{folder / KEYS} has {len(rows)} names for {len(table) - 1} answers; save it again")
        return cls(json.loads((folder / "config.json").read_text(encoding="utf-8")), rows, table)
