"""Finished stages on disk, so that an interrupted or changed recipe goes on where it can."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from axkit.contract.subject import Subject
from axkit.ground import owners
from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import CheckpointError
from axkit.ground.hashes import file_hash
from axkit.ground.progress import Progress, Silent
from axkit.run.journal import FileJournal
from axkit.run.keys import of_any_machine, stage_name
from axkit.runtimes.manifest import MANIFEST
from axkit.runtimes.torch.folder import load_subject, save

__all__ = ["FileJournal", "StageStore"]

T = TypeVar("T")
STAGE = "stage.json"
JOURNAL, SCRATCH, DAMAGED, LOCK = "journal.jsonl", "scratch", "damaged", "lock"
_BESIDE = (JOURNAL, f"{JOURNAL}.{DAMAGED}", SCRATCH, DAMAGED, LOCK, f"{LOCK}.holder")  # a stage's name and a dot


@dataclass(frozen=True)
class StageStore:
    """Finished stages: ``<root>/<index>-<pass>-<key>-<machine>/``, where the keys say all that went in.

    Attributes:
        root: ``<runs>/.stages/<recipe name>`` of one recipe, or a folder that several share.
        shared: several runs make stages here, perhaps at the same time (docs/decisions/0013).
        machine: of ``axkit.ground.cpu.machine_key``.
        progress: told who is waited for, and what is damaged.
    """

    root: Path
    shared: bool = False
    machine: str = ""
    progress: Progress = field(default_factory=Silent)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """One run at a time in a store of one recipe; what killed runs left half-written goes."""
        if self.shared:
            yield
            return
        with owners.alone(self.root.with_name(f"{self.root.name}.{LOCK}"), f"{self.root}", self.progress):
            owners.sweep_out(self.root)
            yield

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """In a shared store, the one process that makes a stage; others wait and find it finished.

        The operating system gives the lock back when its holder ends, however it ends.
        """
        if not self.shared:
            yield
            return
        with owners.alone(folder.with_name(f"{folder.name}.{LOCK}"), folder.name, self.progress):
            yield

    def folder(self, index: int, name: str, key: str) -> Path:
        """Where a stage is, or would be."""
        return self.root / stage_name(index, name, key, self.machine)

    def journal(self, folder: Path) -> FileJournal:
        """The journal of a stage."""
        return FileJournal(folder.with_name(f"{folder.name}.{JOURNAL}"), self.progress)

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
            self._forget(folder)
        self.scratch(folder).mkdir(parents=True, exist_ok=True)

    def find(self, folder: Path) -> tuple[Subject, dict[str, Any]] | None:
        """A finished stage, or None; one that is damaged is set aside, and said so."""
        return self._whole(folder, self.get)

    def known(self, folder: Path) -> dict[str, Any] | None:
        """The record of a finished stage, as :meth:`find`."""
        return self._whole(folder, self.record)

    def _whole(self, folder: Path, read: Callable[[Path], T]) -> T | None:
        if not folder.exists():
            return None
        try:
            found = read(folder)
            shutil.rmtree(self.scratch(folder), ignore_errors=True)  # of one that was killed as soon as it was done
            return found
        except CheckpointError as error:
            self.set_aside(folder, str(error))
            return None

    def get(self, folder: Path) -> tuple[Subject, dict[str, Any]]:
        """A finished stage.

        Raises:
            CheckpointError: it is damaged.
        """
        record = self.record(folder)  # first: it says whether the manifest is whole, and that says it of all else
        return load_subject(folder), record

    def set_aside(self, folder: Path, why: str) -> None:
        """Keep a damaged stage as ``<name>.damaged``, in the place of an earlier one, so that it is made again."""
        aside = folder.with_name(f"{folder.name}.{DAMAGED}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        self._forget(folder)
        self.progress.say(f"   The stage {folder.name} is damaged and is made again; it is kept as {aside} ({why})")

    def _forget(self, folder: Path) -> None:
        self.journal(folder).path.unlink(missing_ok=True)
        shutil.rmtree(self.scratch(folder), ignore_errors=True)

    def record(self, folder: Path) -> dict[str, Any]:
        """What was put beside a finished stage.

        Raises:
            CheckpointError: it, the manifest or the journal is not as it was put.
        """
        path = folder / STAGE
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            found: dict[str, Any] = stored["record"]
            whole = stored["sha256"] == _hash(found)
            manifest, journal = (found.pop(name) for name in ("manifest_sha256", "journal_sha256"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read ({type(error).__name__})") from error
        if not whole:
            raise CheckpointError(f"{path} is not as it was written")
        if manifest != _hash_of_file(folder / MANIFEST):
            raise CheckpointError(f"{folder / MANIFEST} is not as it was written")
        if journal != _hash_of_file(self.journal(folder).path):
            raise CheckpointError(f"{self.journal(folder).path} is not as it was written")
        return found

    def put(
        self, folder: Path, subject: Subject, tokenizer: Any, record: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Write a stage, whole or not at all, its record with ``bytes``; its scratch folder goes."""
        with atomic_folder(folder) as partial:
            full = {
                **json.loads(json.dumps(record, allow_nan=False)),
                "bytes": save(subject, tokenizer, partial, about),
                "manifest_sha256": file_hash(partial / MANIFEST),
                "journal_sha256": _hash_of_file(self.journal(folder).path),
            }
            text = json.dumps({"record": full, "sha256": _hash(full)}, indent=1, allow_nan=False)
            (partial / STAGE).write_text(text, encoding="utf-8")
        shutil.rmtree(self.scratch(folder), ignore_errors=True)

    def keep_only(self, names: set[str]) -> None:
        """Drop all other stages, of earlier versions of a recipe say, and what is beside them.

        What another run holds the lock of stays.

        Args:
            names: of stages, without the machine.
        """
        owners.sweep_out(self.root)
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            name = path.name
            if name.startswith("."):  # a living process writes it
                continue
            for suffix in _BESIDE:
                name = name.removesuffix(f".{suffix}")
            if of_any_machine(name) in names:
                continue
            with owners.if_free(self.root / f"{name}.{LOCK}") as free:
                if free:
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _hash(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _hash_of_file(path: Path) -> str:
    """Empty where there is none."""
    return file_hash(path) if path.is_file() else ""
