"""Damaged inputs by the thousand: each is read, or refused in one sentence. Seeded, in processes of their own.

    PYTHONPATH=tests python -m reliability.fuzz                       # every target in full
    PYTHONPATH=tests python -m reliability.fuzz --target recipes --count 500 --seed 3
    PYTHONPATH=tests python -m reliability.fuzz --target recipes --index 17   # one case again, in this process
    PYTHONPATH=tests python -m reliability.fuzz --write               # keeps the figures, and writes the page

A target is a module of ``reliability.targets`` with ``NAME``, ``COUNT``, ``prepare``, ``mutate`` and ``use``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import os
import pkgutil
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reliability import page, targets
from reliability.worker import HANG_AT_ALL_S, Bench, Outcome, queued_s, set_up, target_module, work

SEED = 14
GIVEN_UP_S = HANG_AT_ALL_S + 2  # then the worker is killed
READY_S = 300.0  # to import and to prepare the base inputs
KINDS = ("ok", "refused", "unclear", "traceback", "crash", "hang")
BAD = ("unclear", "traceback", "crash", "hang")


def all_targets() -> list[str]:
    """The modules that there are."""
    return sorted(found.name for found in pkgutil.iter_modules(targets.__path__))


class Worker:
    """A process with the case that it is at."""

    def __init__(self, target: str, seed: int, place: Path) -> None:
        self.target, self.seed, self.place = target, seed, place
        self.index: int | None = None
        self.description = ""
        place.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")  # nobody inherits torch's threads
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, target, str(place), seed), daemon=True)
        self.process.start()
        theirs.close()
        if not self.pipe.poll(READY_S):
            raise RuntimeError(f"{target}: the worker was not ready after {READY_S:.0f} s; see {place}/stderr.txt")
        try:
            self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"{target}: prepare failed:\n{self.stderr()}") from None
        self.since, self.queued = time.monotonic(), 0.0

    def give(self, index: int) -> None:
        """Start a case."""
        self.index, self.description, self.since = index, "(while it was made)", time.monotonic()
        self.queued = queued_s(self.process.pid or 0)
        self.pipe.send(index)

    def ended(self) -> Outcome | None:
        """The outcome of the case at hand, if there is one by now: told, dead or overdue."""
        assert self.index is not None
        wall = time.monotonic() - self.since
        try:
            while self.pipe.poll():
                what, value = self.pipe.recv()
                if what == "done":
                    return Outcome(**value)
                self.description = value
        except (EOFError, ConnectionResetError):
            self.process.join()
            told = f"the worker ended with exit code {self.process.exitcode}\n{self.stderr()}"
            return Outcome(self.index, "crash", self.description, told, wall, 0.0)
        if wall - (queued_s(self.process.pid or 0) - self.queued) > GIVEN_UP_S:
            self.stop()
            return Outcome(self.index, "hang", self.description, self.stderr(), wall, 0.0)
        return None

    def stop(self) -> None:
        """End the process, whatever it is at."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()

    def stderr(self) -> str:
        """The end of what it said."""
        path = self.place / "stderr.txt"
        return path.read_text(encoding="utf-8", errors="replace")[-4000:] if path.exists() else ""


def run(target: str, count: int, seed: int, place: Path, workers: int = 1, first: int = 0) -> Iterator[Outcome]:
    """The outcomes of cases ``first`` to ``first + count``, as they end."""
    waiting = list(range(first + count - 1, first - 1, -1))
    started = [Worker(target, seed, place / f"{n}-0") for n in range(min(workers, count))]
    lives = dict.fromkeys(range(len(started)), 0)
    try:
        for worker in started:
            worker.give(waiting.pop())
        busy = set(range(len(started)))
        while busy:
            multiprocessing.connection.wait([started[n].pipe for n in busy], timeout=1.0)
            for n in sorted(busy):
                outcome = started[n].ended()
                if outcome is None:
                    continue
                yield outcome
                if not waiting:
                    busy.discard(n)
                    continue
                if outcome.kind in ("crash", "hang") and not started[n].process.is_alive():
                    lives[n] += 1
                    started[n].stop()
                    started[n] = Worker(target, seed, place / f"{n}-{lives[n]}")
                started[n].give(waiting.pop())
    finally:
        for worker in started:
            worker.stop()


def figures(outcomes: Sequence[Outcome], seed: int, wall_s: float) -> dict[str, Any]:
    """What the page tells of a target."""
    counts = Counter(one.kind for one in outcomes)
    return {
        "count": len(outcomes),
        "seed": seed,
        **{kind: counts[kind] for kind in KINDS},
        "outside": sum(bool(one.outside) for one in outcomes),
        "slowest_s": round(max(one.wall_s for one in outcomes), 2),
        "wall_s": round(wall_s, 1),
    }


def is_bad(outcome: Outcome) -> bool:
    """Not what a user may meet."""
    return outcome.kind in BAD or bool(outcome.outside)


def tell(target: str, seed: int, outcome: Outcome) -> str:
    """A bad outcome for a person: what was done, what came of it, how to see it again."""
    outside = f"\n    files outside: {', '.join(outcome.outside[:5])}" if outcome.outside else ""
    told = "\n    ".join(outcome.told.splitlines()[-12:])
    again = f"python -m reliability.fuzz --target {target} --seed {seed} --index {outcome.index}"
    head = f"{target} {outcome.index}: {outcome.kind} after {outcome.wall_s:.1f} s: {outcome.description}"
    return f"{head}\n    {told}{outside}\n    again: {again}"


def replay(target: str, seed: int, index: int) -> None:
    """One case in this process, its folder kept, its traceback shown."""
    place = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    set_up(place)
    bench = Bench(target, place / "work")
    folder, description = bench.mutate(seed, index)
    print(f"{description}\n{folder}", flush=True)
    bench.target.use(folder)
    print("ok")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets; 1 where anything is bad."""
    parser = argparse.ArgumentParser(prog="reliability.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=all_targets())
    parser.add_argument("--count", type=int, help="cases instead of the target's own number")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--index", type=int, help="only this case, in this process")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/reliability.json")
    wanted = parser.parse_args(arguments)
    if wanted.index is not None:
        replay((wanted.target or all_targets())[0], wanted.seed, wanted.index)
        return 0
    bad = 0
    for name in wanted.target or all_targets():
        count = wanted.count or target_module(name).COUNT
        place = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
        start, outcomes = time.monotonic(), []
        for outcome in run(name, count, wanted.seed, place, wanted.workers):
            outcomes.append(outcome)
            if is_bad(outcome):
                bad += 1
                print(tell(name, wanted.seed, outcome), flush=True)
            if len(outcomes) % 500 == 0:
                print(f"{name}: {len(outcomes)}/{count}", flush=True)
        found = figures(outcomes, wanted.seed, time.monotonic() - start)
        print(f"{name}: {found}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        if wanted.write:
            page.keep("fuzz", {name: found})
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
