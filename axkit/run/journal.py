"""Journals: one JSON line per decision, on disk with a checksum, in a run folder with its stage."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground.errors import storing
from axkit.ground.fields import Fields
from axkit.ground.progress import Progress, Silent
from axkit.run.records import StageRecord

_CHECK = ', "crc": "'


class FileJournal:
    """JSON lines in a file; a line is on disk when ``write`` returns.

    Args:
        path: of the file.
        progress: told where lines are damaged.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path, self._progress = path, progress or Silent()

    def write(self, **entry: Any) -> None:
        """Append one line.

        Raises:
            StorageError: the disk is full or not writable.
        """
        body = json.dumps(entry, allow_nan=False)
        with storing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f'{body[:-1]}{_CHECK}{_crc(body)}"}}\n')
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All lines up to the first that is not as it was written; from there on they are cut off.

        A last line without an end is what a kill leaves. Anything else is damage: then the file is set aside as
        ``<name>.damaged``, and what is told is how many lines were whole.
        """
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        lines, whole = [], 0
        for line in data.splitlines(keepends=True):
            entry = _parsed(line)
            if entry is None:
                break
            lines.append(entry)
            whole += len(line)
        if whole < len(data):
            if b"\n" in data[whole:]:
                aside = self.path.with_name(f"{self.path.name}.damaged")
                aside.write_bytes(data)
                self._progress.say(
                    f"   {self.path} is damaged after {len(lines)} whole lines; it is kept as {aside.name}, and what "
                    f"followed is made again"
                )
            os.truncate(self.path, whole)
        return lines

    def keep(self, lines: int) -> None:
        """Drop all but the first lines."""
        if self.path.is_file():
            kept = self.path.read_bytes().splitlines(keepends=True)[:lines]
            os.truncate(self.path, sum(map(len, kept)))


def _crc(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None where it is not as it was written."""
    try:
        start, found, check = line.decode("utf-8").rpartition(_CHECK)
        body = f"{start}}}"
        if not found or check != f'{_crc(body)}"}}\n':
            return None
        entry: dict[str, Any] = json.loads(body)
    except ValueError:
        return None
    return entry


@dataclass(frozen=True)
class JournalLine:
    """A line of a run folder's journal.jsonl.

    Attributes:
        stage: index of the stage that decided.
        pass_name: of its pass.
        entry: what the pass wrote; its keys are its own.
    """

    stage: int
    pass_name: str
    entry: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"stage": self.stage, "pass": self.pass_name, **self.entry}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JournalLine:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        fields = Fields(data, "the journal's line")
        entry = {name: value for name, value in data.items() if name not in ("stage", "pass")}
        return cls(fields.take("stage", int), fields.take("pass", str), entry)


@dataclass(frozen=True)
class Stage:
    """A finished stage of a run, in memory.

    Attributes:
        record: for the report.
        journal: the lines that its pass wrote.
    """

    record: StageRecord
    journal: Sequence[Mapping[str, Any]]

    @property
    def lines(self) -> list[JournalLine]:
        """The journal, each line with its stage."""
        applied = self.record.applied
        return [JournalLine(applied.index, applied.name, entry) for entry in self.journal]


def journal_lines(stages: Sequence[Stage]) -> list[str]:
    """All journals of a run as JSON lines."""
    return [json.dumps(line.to_json()) for stage in stages for line in stage.lines]
