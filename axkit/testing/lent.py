"""What the engine would lend a pass, on tiny data: for authors' tests."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from axkit.anatomy.family import Family, family_of
from axkit.contract.lending import lent
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.subject import Subject
from axkit.contract.teacher import Teacher
from axkit.contract.tools import Tools
from axkit.ground.progress import Silent
from axkit.run.journal import FileJournal
from axkit.runtimes.torch.body import torch_subject
from axkit.testing.tiny import tiny_reader, tiny_split, tiny_tokenizer

ROWS = 40  # of train and of search, each


def lend(
    folder: Path,
    teacher: Any = None,
    rows: int = ROWS,
    family: Family | None = None,
    to: tuple[Pass[Any], PassConfig] | None = None,
    **instead: Any,
) -> Tools:
    """What the engine would lend a pass.

    Args:
        folder: gets the journal and the scratch folder.
        teacher: the dense model, a Subject or a transformers model that is dense; None: there is none.
        rows: of train and of search, each.
        family: of the model; by default one that reads text.
        to: a pass and its settings, to lend it what it declares and nothing else; by default everything is lent.
        instead: fields of ``axkit.Tools`` to lend instead of the tiny ones: ``train=...``, ``search=...``.
    """
    reader = instead.get("reader") or (tiny_reader(family) if family is not None else tiny_tokenizer())
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    everything = Tools(
        train=tiny_split(rows, 1, reader, family),
        search=tiny_split(rows, 2, reader, family),
        teacher=None if teacher is None else _teacher(teacher),
        reader=reader,
        model_folder=str(folder),
        seed=7,
        progress=Silent(),
        journal=FileJournal(folder / "journal.jsonl"),
        scratch=scratch,
    )
    everything = replace(everything, **instead)
    if to is None:
        return everything
    runner, config = to
    return lent(everything, f"pass '{type(runner).__name__}'", runner.needs_of(config))


def _teacher(model: Any) -> Teacher:
    if isinstance(model, Subject):
        return Teacher.of(model)
    family = family_of(str(model.config.model_type))
    return Teacher.of(torch_subject(model, family))


def tiny_tools(folder: Path, teacher: Any = None, rows: int = ROWS, family: Family | None = None) -> Tools:
    """The former name of ``lend``."""
    warnings.warn("axkit.testing.tiny_tools is lend now: call axkit.testing.lend", DeprecationWarning, stacklevel=2)
    return lend(folder, teacher, rows, family)
