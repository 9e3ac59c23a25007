"""Finished stages on disk, so that an interrupted or changed recipe goes on where it can."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from axkit.keys import stage_name
from axkit.progress import Progress
from axkit.saving.atomic import atomic_folder
from axkit.saving.folder import load_subject, save
from axkit.subject import Subject

STAGE = "stage.json"
JOURNAL = "journal.jsonl"
SCRATCH = "scratch"


class FileJournal:
    """JSON lines in a file; a line is on disk when ``write`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **entry: Any) -> None:
        """Append one line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All whole lines; a last line that was cut off is dropped, from the file too."""
        if not self.path.is_file():
            return []
        text = self.path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            text = text[: text.rfind("\n") + 1]
            self.path.write_text(text, encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class StageStore:
    """Finished stages: ``<root>/<index>-<pass>-<key>/``, where the key says all that went in.

    Attributes:
        root: ``<runs>/.stages/<recipe name>`` of one recipe, or a folder that several share.
        shared: several runs make stages here, perhaps at the same time (docs/decisions/0013).
    """

    root: Path
    shared: bool = False

    @contextmanager
    def alone(self, folder: Path, progress: Progress) -> Iterator[None]:
        """In a shared store, the one process that makes a stage; others wait and find it finished.

        The operating system gives the lock back when its holder ends, however it ends.
        """
        if not self.shared:
            yield
            return
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.say(f"Waiting for {folder.name}, which another run makes")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def folder(self, index: int, name: str, key: str) -> Path:
        """Where a stage is, or would be."""
        return self.root / stage_name(index, name, key)

    def journal(self, folder: Path) -> FileJournal:
        """The journal of a stage."""
        return FileJournal(folder.with_name(f"{folder.name}.{JOURNAL}"))

    def scratch(self, folder: Path) -> Path:
        """The place of a stage that is being made, for what its pass wants to find again after an interruption."""
        return folder.with_name(f"{folder.name}.{SCRATCH}")

    def begin(self, folder: Path, fresh: bool) -> None:
        """Make a stage's scratch folder, with what an interrupted run left there.

        Args:
            folder: of the stage.
            fresh: without that; the journal starts anew too.
        """
        if fresh:
            self.journal(folder).path.unlink(missing_ok=True)
            shutil.rmtree(self.scratch(folder), ignore_errors=True)
        self.scratch(folder).mkdir(parents=True, exist_ok=True)

    def find(self, folder: Path) -> tuple[Subject, dict[str, Any]] | None:
        """A finished stage, or None."""
        return (load_subject(folder), self.record(folder)) if self.has(folder) else None

    def has(self, folder: Path) -> bool:
        """Whether a stage is finished."""
        return (folder / STAGE).is_file()

    def record(self, folder: Path) -> dict[str, Any]:
        """What was put beside a finished stage."""
        found: dict[str, Any] = json.loads((folder / STAGE).read_text(encoding="utf-8"))
        return found

    def put(
        self, folder: Path, subject: Subject, tokenizer: Any, record: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Write a stage, whole or not at all, its record with ``bytes``; its scratch folder goes."""
        with atomic_folder(folder) as partial:
            size = save(subject, tokenizer, partial, about)
            full = {**record, "bytes": size}
            (partial / STAGE).write_text(json.dumps(full, indent=1, allow_nan=False), encoding="utf-8")
        shutil.rmtree(self.scratch(folder), ignore_errors=True)

    def keep_only(self, folders: set[Path]) -> None:
        """Drop all other stages, of earlier versions of a recipe say, and their journals."""
        names = {folder.name for folder in folders}
        for path in self.root.iterdir() if self.root.is_dir() else ():
            if path.name.removesuffix(f".{JOURNAL}") in names:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
