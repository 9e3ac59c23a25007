"""Faults of the machine, made on purpose: kills, damage, a full disk, two at once; each run must end as if undisturbed.

    PYTHONPATH=tests python -m reliability.faults [--short] [--only NAME] [--kills N] [--seed S] [--write]

Each fault is tried some times; what is tried is drawn from the seed, the fault's name and the number of the try. When
a killed process was, depends on the machine's pace too.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reliability import faults_of_files as files
from reliability import faults_of_processes as processes
from reliability.known import Known, prepare
from reliability.lab import Place, warm_up

SEED = 14
DEFAULT = Path(__file__).parents[2] / "recipes" / "distilbert_int8_axformer.yaml"
DEFAULT_SHORT = (  # as `make demo-short`
    "samples.train=1500", "samples.search=200", "samples.test=300", "passes.4.budget.max_drop=100"
)  # fmt: skip
Fault = Callable[[Known, random.Random], str]
FAULTS: dict[str, tuple[Fault, int, int]] = {  # name -> the fault, tries in full, tries in short
    "kill -9, a short recipe": (processes.killed, 30, 2),
    "a file of a stage cut, emptied, flipped or removed": (files.damaged_stage, 12, 1),
    "a killed run's journal, checkpoint or notes damaged": (files.damaged_scratch, 8, 1),
    "the disk is full": (files.full_disk, 12, 1),
    "two at once": (processes.two_at_once, 4, 1),
    "SIGTERM, SIGINT or SIGHUP": (processes.signalled, 6, 1),
    "output that cannot be written": (files.unwritable, 2, 1),
    "model and data copied and touched": (files.copied, 2, 1),
    "stages partly deleted": (files.deleted, 6, 1),
    "from scratch twice": (processes.twice, 2, 1),
    "the run folder appears while the run goes on": (processes.appears, 2, 1),
}


@dataclass
class Told:
    """How a fault went."""

    tries: int = 0
    held: int = 0
    note: str = ""
    wrong: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For docs/reliability.json."""
        return {"tries": self.tries, "held": self.held, "note": self.note}


def attempt(name: str, made: Fault, known: list[Known], tries: int, seed: int) -> Told:
    """Try one fault, on each of the recipes in turn."""
    told = Told()
    for number in range(tries):
        draw, told.tries = random.Random(f"{seed} {name} {number}"), told.tries + 1
        try:
            told.note = made(known[number % len(known)], draw)
            told.held += 1
        except Exception:  # noqa: BLE001 - told at the end; the other faults are tried all the same
            told.wrong.append(f"{name}, try {number}:\n{traceback.format_exc()}")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few tries of each, and not the default recipe")
    parser.add_argument("--only", action="append", help="faults whose name holds this")
    parser.add_argument("--kills", type=int, help="of the short recipe")
    parser.add_argument("--default", type=int, help="kills of the default recipe; 3 in full, 0 in short")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="into docs/reliability.json")
    wanted = parser.parse_args(arguments)
    warm_up()
    wrong: list[str] = []
    found: dict[str, dict[str, Any]] = {}

    def one(name: str, made: Fault, known: list[Known], tries: int) -> None:
        start = time.monotonic()
        told = attempt(name, made, known, tries, wanted.seed)
        print(f"{name}: {told.held} of {told.tries} held, {time.monotonic() - start:.0f} s", flush=True)
        wrong.extend(told.wrong)
        found[name] = told.to_json()

    with tempfile.TemporaryDirectory() as folder:
        known = [Known.of(place) for place in prepare(Path(folder)).values()]
        for name, (made, full, short) in FAULTS.items():
            if wanted.only and not any(part in name for part in wanted.only):
                continue
            tries = short if wanted.short else full
            one(name, made, known, wanted.kills if made is processes.killed and wanted.kills else tries)
        kills = wanted.default if wanted.default is not None else 0 if wanted.short or wanted.only else 3
        if kills:
            place = Place(Path(folder), str(DEFAULT), "distilbert-int8-axformer", DEFAULT_SHORT, os.cpu_count() or 1)
            one("kill -9, the default recipe", processes.killed, [Known.of(place)], kills)
    print("\n".join(wrong), file=sys.stderr)
    if wanted.write:
        from reliability import page

        page.keep("faults", found)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
