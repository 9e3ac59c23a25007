"""What the engine would lend a pass, on tiny data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family
from axkit.contract.tools import Tools
from axkit.ground.progress import Silent
from axkit.run.journal import FileJournal
from axkit.testing.tiny import tiny_reader, tiny_split, tiny_tokenizer


def tiny_tools(folder: Path, teacher: Any = None, rows: int = 40, family: Family | None = None) -> Tools:
    """What the engine would lend a pass, on tiny data; the journal is in ``folder``."""
    tokenizer = tiny_reader(family) if family is not None else tiny_tokenizer()
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return Tools(
        train=tiny_split(rows, 1, tokenizer, family),
        search=tiny_split(rows, 2, tokenizer, family),
        teacher=teacher,
        tokenizer=tokenizer,
        model_folder=str(folder),
        seed=7,
        progress=Silent(),
        journal=FileJournal(folder / "journal.jsonl"),
        scratch=scratch,
    )
