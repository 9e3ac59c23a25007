"""A finished folder, opened to be asked: its body, what makes its inputs, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.contract.subject import Subject
from axkit.runtimes.folder import load_subject
from axkit.runtimes.torch.opening import config_of, fit_padding, open_reader, token_limit


@dataclass(frozen=True)
class Opened:
    """A model of any runtime.

    Attributes:
        subject: with its reader.
        limit: tokens that it takes.
    """

    subject: Subject
    limit: int

    @property
    def reader(self) -> Any:
        """What makes its inputs."""
        return self.subject.reader


def open_finished(folder: Path) -> Opened:
    """Body and reader of a run folder, or of any checkpoint with a head.

    Raises:
        CheckpointError: a folder that does not load.
    """
    subject = load_subject(folder)
    subject.reader = open_reader(folder, subject.family)
    if subject.has_module:
        fit_padding(subject.module, subject.reader, subject.family)
    return Opened(subject, token_limit(subject.reader, config_of(subject.body), subject.family))
