"""One process that runs cases of a target and judges each; ``fuzz`` starts it, and starts another when it dies."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import io
import os
import random
import re
import resource
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# Of wall clock without the time in which others had the processor: a machine under load makes no hang.
HANG_S = 5.0  # and HANG_CPU_S of it at work
HANG_CPU_S = 3.0
HANG_AT_ALL_S = 20.0  # asleep or not
MEMORY_BYTES = 16 << 30  # of address space: what wants more is told as a MemoryError, and the machine lives on
LONGEST_SENTENCE = 1000
_IGNORED = {"hf", "tmp"}  # caches of libraries


@dataclass
class Outcome:
    """How one case ended.

    Attributes:
        kind: ok, refused, unclear (a refusal that is not one sentence with a place), traceback, crash or hang.
        told: the sentences of a refusal, or the traceback.
        outside: what was created, changed or removed beside the case's folder.
    """

    index: int
    kind: str
    description: str
    told: str
    wall_s: float
    cpu_s: float
    outside: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def queued_s(process: int | str = "self") -> float:
    """Seconds that a process could have worked and others had the processor; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def seeded(target: str, seed: int, index: int) -> random.Random:
    """The dice of one case; the same on every machine and in every order."""
    return random.Random(hashlib.sha256(f"{target} {seed} {index}".encode()).digest())


def target_module(name: str) -> Any:
    """The module of a target."""
    return import_module(name if "." in name else f"reliability.targets.{name}")


class Bench:
    """A target with its base inputs and a folder for each case, apart from home and working directory.

    Args:
        name: of a module in ``reliability.targets``, or of any module in full.
        place: an empty folder; ``case`` holds the cases, ``base`` the good inputs.
    """

    def __init__(self, name: str, place: Path) -> None:
        self.target, self.place = target_module(name), place
        for folder in ("home", "cwd", "base", "case", *_IGNORED):
            (place / folder).mkdir(parents=True, exist_ok=True)
        self.base = self.target.prepare(place / "base")

    def mutate(self, seed: int, index: int) -> tuple[Path, str]:
        """Write a case: its folder, and what was done to it."""
        folder = self.place / "case" / str(index)
        folder.mkdir()
        return folder, self.target.mutate(seeded(self.target.NAME, seed, index), self.base, folder)

    def judge(self, seed: int, index: int, begun: Callable[[str], None] = lambda _: None) -> Outcome:
        """Run a case; its folder is removed."""
        folder, description = self.mutate(seed, index)
        begun(description)
        before = self._snapshot(folder)
        start, start_cpu, start_queued = time.monotonic(), time.process_time(), queued_s()
        kind, told = self._use(folder)
        wall, cpu = time.monotonic() - start, time.process_time() - start_cpu
        own = wall - (queued_s() - start_queued)
        if kind in ("ok", "refused") and ((own > HANG_S and cpu > HANG_CPU_S) or own > HANG_AT_ALL_S):
            kind = "hang"
        after = self._snapshot(folder)
        outside = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(index, kind, description, told, wall, cpu, outside)

    def _use(self, folder: Path) -> tuple[str, str]:
        from axkit.ground.errors import AxkitError, RecipeError

        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                self.target.use(folder)
        except AxkitError as error:
            faults = error.faults if isinstance(error, RecipeError) else (str(error),)
            clear = bool(faults) and all(is_clear(fault, folder) for fault in faults)
            return ("refused" if clear else "unclear"), "\n".join(faults)
        except BaseException:  # noqa: BLE001  # SystemExit too: a case is never the end of the worker
            return "traceback", traceback.format_exc()
        return "ok", ""

    def _snapshot(self, case: Path) -> dict[str, tuple[int, int]]:
        """Everything beside the case's own folder: size and time of change."""
        found = {}
        for path in _walk(self.place, case):
            status = path.lstat()
            changed = 0 if path.is_dir() else status.st_mtime_ns
            found[str(path.relative_to(self.place))] = (0 if path.is_dir() else status.st_size, changed)
        return found


def is_clear(sentence: str, folder: Path) -> bool:
    """One line of bearable length that names a place: a file of the case, a line, or something in quotes."""
    one = bool(sentence.strip()) and len(sentence.splitlines()) == 1 and len(sentence) <= LONGEST_SENTENCE
    names = [folder.name, *(path.name for path in folder.rglob("*"))] if folder.is_dir() else [folder.name]
    placed = any(name in sentence for name in names) or re.search(
        r"'.+'|\w\.(json|safetensors|yaml|txt|model)\b|\bline \d|\brow \d|--\w+", sentence
    )
    return one and bool(placed)


def _walk(top: Path, case: Path) -> Iterator[Path]:
    for path in sorted(top.iterdir()):
        if path == case or (path.parent == case.parent.parent and path.name in _IGNORED):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, case)


def set_up(place: Path) -> None:
    """Before anything is imported: home, caches and working directory inside the place, no hub, one thread."""
    home, hf = str(place / "home"), str(place / "hf")
    os.environ.update(HOME=home, HF_HOME=hf, HF_DATASETS_CACHE=hf + "/datasets", TMPDIR=str(place / "tmp"))
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", XDG_CACHE_HOME=hf)
    for name in ("home", "cwd", "tmp", "hf"):
        (place / name).mkdir(parents=True, exist_ok=True)
    os.chdir(place / "cwd")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def work(pipe: Connection, target: str, place: str, seed: int) -> None:
    """The process: takes an index, tells the case's description, then its outcome; None ends it."""
    set_up(Path(place))
    log = open(Path(place) / "stderr.txt", "ab", buffering=0)  # noqa: SIM115  # it lives as long as the process
    os.dup2(log.fileno(), 2)
    sys.stderr = os.fdopen(os.dup(2), "w", errors="backslashreplace", buffering=1)
    faulthandler.enable(log)
    bench = Bench(target, Path(place) / "work")
    pipe.send(("ready", None))
    while (index := pipe.recv()) is not None:
        faulthandler.dump_traceback_later(HANG_AT_ALL_S - 1, file=log)
        outcome = bench.judge(seed, index, lambda description: pipe.send(("begun", description)))
        faulthandler.cancel_dump_traceback_later()
        pipe.send(("done", outcome.to_json()))
