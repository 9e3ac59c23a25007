"""Runs of the command in processes that can be killed, and what they left, compared byte by byte.

The processes are forked off one that has imported everything and computed nothing: a run takes a second or two, not
ten, and is killed at work, not at importing.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMED = (
    "report.json",
    "report.md",
    "report.html",
    "README.md",
    "journal.jsonl",
    "frontier",
)  # names that begin so hold what was timed
_OF_TIME = {"seconds", "ratio", "speedup", "speedup_ratio"}


def warm_up() -> None:
    """Import what a run imports."""
    for name in (
        "torch",
        "axkit.cli.app",
        "axkit.run.engine",
        "axkit.report",
        "axkit.kit.train.loop",
        "datasets",
        "accelerate",
    ):
        __import__(name)
    import transformers

    _ = transformers.Trainer, transformers.AutoModelForSequenceClassification, transformers.AutoTokenizer


@dataclass
class Started:
    """A run that is going on.

    Attributes:
        pid: of its process.
        log: what it prints.
    """

    pid: int
    log: Path

    @property
    def said(self) -> str:
        """So far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self, within_s: float = 900.0) -> int:
        """Its exit code; minus the number of the signal that killed it."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise TimeoutError(f"still running after {within_s:.0f} s:\n{self.said[-2000:]}")

    def tell(self, number: int, after_s: float) -> int:
        """Send a signal after some time, if the run still goes on then; its exit code."""
        until = time.monotonic() + after_s
        while time.monotonic() < until:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(self.pid, number)
        return self.end()


@dataclass
class Place:
    """A folder with a recipe and all it needs; a run's output goes to ``out``.

    Attributes:
        folder: the working directory of the runs.
        recipe: path of the recipe, from there or absolute.
        name: of the recipe.
        settings: for ``--set``.
        threads: of a run.
    """

    folder: Path
    recipe: str
    name: str
    settings: tuple[str, ...] = ()
    threads: int = 1

    def start(self, out: str, *more: str, largest_file: int | None = None) -> Started:
        """Begin ``axkit apply``.

        Args:
            out: below the folder.
            more: further arguments.
            largest_file: bytes; writing more is refused, as on a full disk.
        """
        settings = [part for one in self.settings for part in ("--set", one)]
        arguments = ["apply", self.recipe, "--out", out, *settings, *more]
        (self.folder / "logs").mkdir(exist_ok=True)
        log = self.folder / "logs" / f"{time.time_ns()}"
        log.touch()
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            os._exit(self._child(arguments, log, out, largest_file))
        return Started(pid, log)

    def run(self, out: str, *more: str, largest_file: int | None = None) -> tuple[int, str]:
        """(exit code, what it said) of a whole run."""
        started = self.start(out, *more, largest_file=largest_file)
        return started.end(), started.said

    def _child(self, arguments: Sequence[str], log: Path, out: str, largest_file: int | None) -> int:
        file = os.open(log, os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(file, stream)
        os.chdir(self.folder)
        os.environ["COLUMNS"] = "1000"  # one line is one line
        os.environ["HF_DATASETS_CACHE"] = str(self.folder / out / "hf")
        import datasets
        import torch

        torch.set_num_threads(self.threads)
        datasets.config.HF_DATASETS_CACHE = Path(os.environ["HF_DATASETS_CACHE"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        sys.argv = ["axkit", *arguments]
        from axkit.cli.app import main

        code = 1
        try:
            main()
            code = 0
        except SystemExit as done:
            code = int(done.code or 0)
        except BaseException:  # noqa: BLE001 - whatever it is, it is told as Python would
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def result(self, out: str) -> Result:
        """What a finished run left."""
        return Result.of(self.folder / out / self.name)


@dataclass(frozen=True)
class Result:
    """A run folder as far as time does not show in it.

    Attributes:
        files: name -> bytes.
        journal: lines without what was timed.
    """

    files: Mapping[str, bytes]
    journal: list[dict[str, Any]]

    @classmethod
    def of(cls, folder: Path) -> Result:
        """Read it."""
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(_TIMED)}
        lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        journal = [{k: v for k, v in json.loads(line).items() if k not in _OF_TIME} for line in lines]
        return cls(files, journal)

    def differs(self, other: Result) -> str:
        """In what, in a few words; empty where they are the same."""
        if sorted(self.files) != sorted(other.files):
            return f"files {sorted(set(self.files) ^ set(other.files))}"
        names = [name for name in self.files if self.files[name] != other.files[name]]
        if names:
            return f"bytes of {', '.join(names)}"
        if self.journal != other.journal:
            pairs = zip(self.journal, other.journal, strict=False)
            first = next((i for i, (a, b) in enumerate(pairs) if a != b), "the end")
            return f"the journal, {len(self.journal)} lines for {len(other.journal)}, from line {first}"
        return ""


def leftovers(out: Path) -> list[str]:
    """What only a run that goes on may have there."""
    parts = (".partial-", ".old-", ".scratch", ".holder")
    return [str(path.relative_to(out)) for path in out.rglob("*") if any(part in path.name for part in parts)]


def one_sentence(said: str) -> str:
    """The only line that says ``error:``; a complaint where there is not exactly one, or a traceback."""
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    if len(lines) != 1 or "Traceback" in said:
        raise AssertionError(f"not one sentence:\n{said[-1500:]}")
    return lines[0]
