"""Stages are found where an earlier run has finished them, and made where not; of several processes one writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from axkit.contract.subject import Subject
from axkit.ground.processes import Processes
from axkit.ground.progress import Progress
from axkit.run.keys import of_any_machine, stage_name
from axkit.run.records import StageRecord
from axkit.run.stage_file import read_stage
from axkit.run.start import Start
from axkit.run.store import StageStore
from axkit.runtimes.torch.opening import open_reader
from axkit.tasks.about import About

Make = Callable[[], tuple[Subject, StageRecord]]


@dataclass
class FinishedStages:
    """The stages of a run, and of its control.

    Attributes:
        store: where they are kept.
        processes: this one, or those started together.
        progress: told which stage is reused.
        fresh: make all again.
        used: names of stages, without the machine.
        made: in this run: fresh enough for its control.
    """

    store: StageStore
    processes: Processes
    progress: Progress
    fresh: bool = False
    used: set[str] = field(default_factory=set)
    made: set[Path] = field(default_factory=set)

    def folder(self, index: int, name: str, key: str) -> Path:
        """Where a stage is, or will be; it is not dropped at the end."""
        self.used.add(of_any_machine(stage_name(index, name, key, "")))
        return self.store.folder(index, name, key)

    @contextmanager
    def turn(self, folder: Path) -> Iterator[None]:
        """One run at a time makes a stage; its processes come together, and see the same finished stages."""
        self.processes.wait()
        if not self.processes.is_main:
            self.processes.wait()
            yield
            return
        with self.store.alone(folder):
            self.processes.wait()
            yield

    def found_or_made(
        self, folder: Path, said: str, before: Start, about: About, make: Make
    ) -> tuple[Subject, StageRecord]:
        """A stage as it is on disk, whether it was finished earlier or just now: then it makes no difference which.

        Args:
            folder: of the stage, whose turn is held.
            said: what it is called.
            before: what it starts from.
            about: of the run, for the manifest.
            make: does the work.
        """
        found = self._found(folder)
        if found is None:
            self.progress.say(said)
            if self.processes.is_main:
                self.store.begin(folder, self.fresh)
            self.processes.wait()
            self._put(folder, *make(), about)
            found = self.store.get(folder)
        else:
            self.progress.say(f"{said}: finished earlier, reused")
            found = found[0], replace(found[1], reused=True)
        subject, record = found
        subject.reader = open_reader(folder, before.family) if record.new_tokenizer else before.reader
        return subject, record

    def dense(self, folder: Path, subject: Subject, about: About) -> int:
        """Keep the model as it comes; returns its bytes on disk."""
        with self.store.alone(folder) if self.processes.is_main else nullcontext():
            again = self.fresh and folder not in self.made
            if self.processes.is_main and (again or self.store.known(folder) is None):
                self.store.put(folder, subject, None, about)
            self.made.add(folder)
            self.processes.wait()
            return read_stage(folder).bytes

    def tidy(self) -> None:
        """Drop the stages of earlier versions of the recipe, where the store is its own."""
        if self.processes.is_main and not self.store.shared:
            self.store.keep_only(self.used)
        self.processes.wait()

    def _found(self, folder: Path) -> tuple[Subject, StageRecord] | None:
        """One process looks, for it may set a damaged stage aside; the others see what it left."""
        if self.fresh and folder not in self.made:
            return None
        found = self.store.find(folder) if self.processes.is_main else None
        self.processes.wait()
        return found if self.processes.is_main else self.store.find(folder)

    def _put(self, folder: Path, subject: Subject, record: StageRecord, about: About) -> None:
        """Keep a stage; one process writes, all read what it wrote."""
        if self.processes.is_main:
            self.store.put(folder, subject, record, about)
        self.processes.wait()
        self.made.add(folder)
