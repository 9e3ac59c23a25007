"""``stage.json``: the record of a finished stage, and what makes it sure that the stage is as it was written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.fields import Fields
from axkit.ground.hashes import file_hash
from axkit.run.records import StageRecord
from axkit.runtimes.manifest import MANIFEST

STAGE = "stage.json"
JOURNAL, SCRATCH, DAMAGED, LOCK = "journal.jsonl", "scratch", "damaged", "lock"
BESIDE = (JOURNAL, f"{JOURNAL}.{DAMAGED}", SCRATCH, DAMAGED, LOCK, f"{LOCK}.holder")  # a stage's name and a dot


def beside(folder: Path, what: str) -> Path:
    """A file or folder that belongs to a stage and stands beside it."""
    return folder.with_name(f"{folder.name}.{what}")


@dataclass(frozen=True)
class StageFile:
    """What stands beside the files of a stage's model.

    Attributes:
        record: of the stage; None of the model as it came, which no pass made.
        bytes: of the model on disk.
        manifest_sha256: of ``axkit.json``, which says the same of all else.
        journal_sha256: of the stage's journal; empty where there is none.
    """

    record: StageRecord | None
    bytes: int
    manifest_sha256: str
    journal_sha256: str

    @classmethod
    def of(cls, record: StageRecord | None, size: int, model: Path, stage: Path) -> StageFile:
        """Of a model that was saved just now.

        Args:
            record: of the stage.
            size: of the model on disk, bytes.
            model: the folder that it was saved to.
            stage: the folder that it will be.
        """
        made = None if record is None else replace(record, bytes=size)
        return cls(made, size, file_hash(model / MANIFEST), _hash_of_file(beside(stage, JOURNAL)))

    def to_json(self) -> dict[str, Any]:
        """The record with the hashes, and a hash of both."""
        full = {
            **(self.record.to_json() if self.record else {}),
            "bytes": self.bytes,
            "manifest_sha256": self.manifest_sha256,
            "journal_sha256": self.journal_sha256,
        }
        return {"record": full, "sha256": _hash(full)}

    @classmethod
    def from_json(cls, data: Any, path: Path) -> StageFile:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing, or not as it was written.
        """
        stored = Fields(data, f"{path}")
        if stored.take("sha256", str) != _hash(stored.take("record", dict)):
            raise CheckpointError(f"{path} is not as it was written")
        found = stored.part("record")
        record = None if found.maybe("pass", str) is None else StageRecord.from_json(found)
        hashes = (found.take(f"{name}_sha256", str) for name in ("manifest", "journal"))
        return cls(record, found.take("bytes", int), *hashes)


def read_stage(folder: Path) -> StageFile:
    """What was put beside a finished stage.

    Raises:
        CheckpointError: it, the manifest or the journal is not as it was put.
    """
    path = folder / STAGE
    try:
        found = StageFile.from_json(json.loads(path.read_text(encoding="utf-8")), path)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({type(error).__name__})") from error
    if found.manifest_sha256 != _hash_of_file(folder / MANIFEST):
        raise CheckpointError(f"{folder / MANIFEST} is not as it was written")
    journal = beside(folder, JOURNAL)
    if found.journal_sha256 != _hash_of_file(journal):
        raise CheckpointError(f"{journal} is not as it was written")
    return found


def write_stage(file: StageFile, model: Path) -> None:
    """Put it beside a model that was saved just now."""
    (model / STAGE).write_text(json.dumps(file.to_json(), indent=1, allow_nan=False), encoding="utf-8")


def forget(folder: Path) -> None:
    """Drop what a stage that is made again must not find."""
    beside(folder, JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(beside(folder, SCRATCH), ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Keep a damaged stage as ``<name>.damaged``, in the place of an earlier one, so that it is made again."""
    aside = beside(folder, DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    forget(folder)
    return aside


def _hash(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _hash_of_file(path: Path) -> str:
    """Empty where there is none."""
    return file_hash(path) if path.is_file() else ""
