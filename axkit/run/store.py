"""Finished stages on disk, so that an interrupted or changed recipe goes on where it can."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from axkit.contract.subject import Subject
from axkit.ground import owners
from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import CheckpointError
from axkit.ground.progress import Progress, Silent
from axkit.run.journal import FileJournal
from axkit.run.keys import of_any_machine, stage_name
from axkit.run.records import StageRecord
from axkit.run.stage_file import (
    BESIDE,
    JOURNAL,
    LOCK,
    SCRATCH,
    STAGE,
    StageFile,
    beside,
    forget,
    read_stage,
    set_aside,
    write_stage,
)
from axkit.runtimes.folder import load_subject, save
from axkit.tasks.about import About

__all__ = ["FileJournal", "StageStore"]

T = TypeVar("T")


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
        with owners.alone(beside(self.root, LOCK), f"{self.root}", self.progress):
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
        with owners.alone(beside(folder, LOCK), folder.name, self.progress):
            yield

    def folder(self, index: int, name: str, key: str) -> Path:
        """Where a stage is, or would be."""
        return self.root / stage_name(index, name, key, self.machine)

    def journal(self, folder: Path) -> FileJournal:
        """The journal of a stage."""
        return FileJournal(beside(folder, JOURNAL), self.progress)

    def scratch(self, folder: Path) -> Path:
        """The place of a stage that is being made, for what its pass wants to find again after an interruption."""
        return beside(folder, SCRATCH)

    def begin(self, folder: Path, fresh: bool) -> None:
        """Make a stage's scratch folder, with what an interrupted run left there.

        Args:
            folder: of the stage.
            fresh: without that; the journal starts anew too.
        """
        if fresh:
            forget(folder)
        self.scratch(folder).mkdir(parents=True, exist_ok=True)

    def find(self, folder: Path) -> tuple[Subject, StageRecord] | None:
        """A finished stage, or None; one that is damaged is set aside, and said so."""
        return _whole(folder, self.get, self.progress)

    def known(self, folder: Path) -> StageFile | None:
        """What stands beside a finished stage, as ``find``."""
        return _whole(folder, read_stage, self.progress)

    def get(self, folder: Path) -> tuple[Subject, StageRecord]:
        """A finished stage.

        Raises:
            CheckpointError: it is damaged.
        """
        file = read_stage(folder)  # first: it says whether the manifest is whole, and that says it of all else
        if file.record is None:
            raise CheckpointError(f"{folder / STAGE} is of no pass")
        return load_subject(folder), file.record

    def put(self, folder: Path, subject: Subject, record: StageRecord | None, about: About) -> None:
        """Write a stage, whole or not at all, its record with ``bytes``; its scratch folder goes."""
        with atomic_folder(folder) as partial:
            size = save(subject, subject.reader, partial, about)
            write_stage(StageFile.of(record, size, partial, folder), partial)
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
            for suffix in BESIDE:
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


def _whole(folder: Path, read: Callable[[Path], T], progress: Progress) -> T | None:
    """What is read of a finished stage, or None; one that is damaged is set aside, and said so."""
    if not folder.exists():
        return None
    try:
        found = read(folder)
    except CheckpointError as error:
        aside = set_aside(folder)
        progress.say(f"   The stage {folder.name} is damaged and is made again; it is kept as {aside} ({error})")
        return None
    shutil.rmtree(beside(folder, SCRATCH), ignore_errors=True)  # of one that was killed as soon as it was done
    return found
