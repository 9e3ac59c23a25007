"""Faults of the machine, made on purpose: kills, damage, a full disk, two at once; each run must end as if undisturbed.

    PYTHONPATH=tests python -m reliability.faults [--short] [--only NAME] [--kills N] [--seed S] [--write]

Each fault is tried some times; what is tried is drawn from the seed, the fault's name and the number of the try. When
a killed process was, depends on the machine's pace too.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reliability.lab import Place, Result, leftovers, one_sentence, warm_up

SEED = 14
DEFAULT = Path(__file__).parents[2] / "recipes" / "distilbert_int8_axformer.yaml"
DEFAULT_SHORT = (  # as `make demo-short`
    "samples.train=1500", "samples.search=200", "samples.test=300", "passes.4.budget.max_drop=100"
)  # fmt: skip
_HEAD = """\
axkit: 1
name: {name}
model: model
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
  - {{pass: finetune, epochs: 3, learning_rate: 3e-3, batch_size: 16, checkpoint: 0.05}}
"""
_ACCURACY = """\
  - {pass: hard_attention, k: 5}
  - {pass: axformer_prune, tolerance: 0.3, vote: 0.1, groups: 4}
  - {pass: finetune, epochs: 1, learning_rate: 1e-3, batch_size: 16, checkpoint: 0.05}
  - {pass: int8, budget: {max_drop: 50}}
"""
_BUDGET = """\
  - pass: axformer_prune
    objective: budget
    size: 1.2
    max_drop: 100
    rounds: 2
    recover: {pass: finetune, epochs: 0.5, learning_rate: 1e-3, batch_size: 16, checkpoint: 0.05}
"""


def prepare(folder: Path) -> dict[str, Place]:
    """A tiny model, rows, and the recipes that are run on them."""
    from conftest import write_base_model, write_rows

    write_base_model(folder / "model")
    write_rows(folder / "train.jsonl", 160, 1)
    write_rows(folder / "test.jsonl", 60, 2)
    for name, passes in (("accuracy", _ACCURACY), ("budget", _BUDGET)):
        (folder / f"{name}.yaml").write_text(_HEAD.format(name=name) + passes, encoding="utf-8")
    return {name: Place(folder, f"{name}.yaml", name) for name in ("accuracy", "budget")}


@dataclass
class Known:
    """A place, what an undisturbed run of it left, and how long that took."""

    place: Place
    result: Result
    seconds: float
    count: int = 0

    @classmethod
    def of(cls, place: Place) -> Known:
        """Run it undisturbed."""
        start = time.monotonic()
        code, said = place.run("undisturbed")
        assert code == 0, said
        return cls(place, place.result("undisturbed"), time.monotonic() - start)

    def out(self) -> str:
        """An output folder that nobody has used."""
        self.count += 1
        return f"out-{self.place.name}-{self.count}"

    def same(self, out: str) -> None:
        """Hold what a run left to the undisturbed one."""
        differs = self.place.result(out).differs(self.result)
        assert not differs, f"{out} differs in {differs}"
        left = leftovers(self.place.folder / out)
        assert not left, f"left behind: {left}"

    def finishes(self, out: str, *more: str) -> str:
        """Run to the end, and compare; what it said."""
        code, said = self.place.run(out, *more)
        assert code == 0, said[-3000:]
        self.same(out)
        return said

    @property
    def stages(self) -> Path:
        """Of an output folder, below it."""
        return Path(".stages") / self.place.name


Fault = Callable[[Known, random.Random], str]
FAULTS: dict[str, tuple[Fault, int, int]] = {}  # name -> the fault, tries in full, tries in short


def fault(name: str, full: int, short: int) -> Callable[[Fault], Fault]:
    """Enter a fault into the list."""

    def enter(made: Fault) -> Fault:
        FAULTS[name] = made, full, short
        return made

    return enter


@fault("kill -9, a short recipe", 30, 4)
def killed(known: Known, draw: random.Random) -> str:
    """At a random moment, sometimes twice."""
    out = known.out()
    for _ in range(draw.choice((1, 1, 2))):
        code = known.place.start(out).tell(signal.SIGKILL, draw.random() * known.seconds)
        if code == 0:  # it was faster this time
            break
        assert code == -signal.SIGKILL, code
    known.finishes(out, "--force")
    return "the same bytes, no doubled line"


@fault("a file of a stage cut, emptied, flipped or removed", 12, 1)
def damaged_stage(known: Known, draw: random.Random) -> str:
    """Whatever file it is."""
    out = known.out()
    known.finishes(out)
    stages = known.place.folder / out / known.stages
    _harm(draw, draw.choice([path for path in sorted(stages.rglob("*")) if path.is_file() and _read_again(path)]))
    said = known.finishes(out, "--force")
    assert "is damaged and is made again" in said, said
    return "set aside with a line, made again, the same bytes"


def _read_again(path: Path) -> bool:
    return path.suffix != ".lock" and not (path.parent.name.startswith("-1-dense") and path.suffix != ".json")


def _harm(draw: random.Random, path: Path) -> None:
    data, way = bytearray(path.read_bytes()), draw.choice(("cut", "emptied", "flipped", "removed"))
    if way == "removed":
        path.unlink()
        return
    if way == "flipped" and data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data if way == "flipped" else data[: len(data) // 2] if way == "cut" else b"")


@fault("a killed run's journal, checkpoint or notes damaged", 8, 1)
def damaged_scratch(known: Known, draw: random.Random) -> str:
    """Of the stage that was being made."""
    out = known.out()
    code = known.place.start(out).tell(signal.SIGKILL, known.seconds * (0.3 + 0.5 * draw.random()))
    stages = known.place.folder / out / known.stages
    if code and stages.is_dir():
        for path in sorted(path for path in stages.rglob("*") if path.is_file() and path.suffix != ".lock"):
            if path.name.endswith(".jsonl") or ".scratch" in str(path):
                _harm(draw, path)
    known.finishes(out, "--force")
    return "made again from where it was whole, the same bytes"


@fault("the disk is full", 12, 1)
def full_disk(known: Known, draw: random.Random) -> str:
    """No file may get larger than so many bytes."""
    out = known.out()
    largest = int(10 ** (2.5 + 3 * draw.random()))
    code, said = known.place.run(out, largest_file=largest)
    if code:
        assert code == 2, f"exit code {code} with files of {largest} bytes at most:\n{said[-2000:]}"
        assert "free space" in one_sentence(said), said[-2000:]
    known.finishes(out, "--force")
    return "one sentence, and the next run goes on"


@fault("two at once", 4, 1)
def two_at_once(known: Known, draw: random.Random) -> str:
    """Of the same recipe, into the same folder."""
    out = known.out()
    first = known.place.start(out)
    time.sleep(draw.random() * known.seconds / 2)
    second = known.place.start(out)
    codes, said = (first.end(), second.end()), (first.said, second.said)
    assert sorted(codes) == [0, 2], said
    late = said[codes.index(2)]
    assert "exists already" in one_sentence(late), late
    known.same(out)
    return "the second waits, is told for whom, and finds the folder there"


@fault("SIGTERM, SIGINT or SIGHUP", 6, 1)
def signalled(known: Known, draw: random.Random) -> str:
    """At a random moment."""
    out, number = known.out(), draw.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    started = known.place.start(out)
    code = started.tell(number, known.seconds * (0.1 + 0.7 * draw.random()))
    if code:
        assert code == 128 + number, f"exit code {code} after {number!r}:\n{started.said[-2000:]}"
        assert "interrupted" in one_sentence(started.said)
    known.finishes(out, "--force")
    return "exit codes 143, 130, 129; the next run goes on to the same bytes"


@fault("output that cannot be written", 2, 1)
def unwritable(known: Known, draw: random.Random) -> str:
    """Refused before data is read or a model trained."""
    out = known.out()
    (known.place.folder / out).write_text("a file in the place of the folder", encoding="utf-8")
    for where in (out, f"{out}/deep", "n" * 256, "é" * 130):
        code, said = known.place.run(where)
        assert code == 2, said
        assert "cannot be written" in one_sentence(said), said
        assert "finetune" not in said
    if os.path.ismount("/proc") and os.access("/proc", os.W_OK):  # for root: a file system that takes no folder
        code, said = known.place.run("/proc/axkit")
        assert code == 2, said
        assert "cannot be written" in one_sentence(said), said
    return "refused before anything is read"


@fault("model and data copied and touched", 2, 1)
def copied(known: Known, draw: random.Random) -> str:
    """They are the same job."""
    out, folder = known.out(), known.place.folder
    known.finishes(out)
    shutil.copytree(folder / "model", folder / out / "copy")
    shutil.copy(folder / "train.jsonl", folder / out / "rows.jsonl")
    for path in (folder / "model").iterdir():
        os.utime(path)
    places = ("--set", f"model={out}/copy", "--set", f"task.files.train={out}/rows.jsonl")
    code, said = known.place.run(out, "--force", *places)
    assert code == 0, said
    made = [line for line in said.splitlines() if line[:3] in ("1. ", "2. ", "3. ", "4. ", "5. ")]
    assert made, said
    assert all(line.endswith("finished earlier, reused") for line in made), said
    found = known.place.result(out)
    same = ("model.safetensors", "config.json", "tokenizer.json")
    assert all(found.files[name] == known.result.files[name] for name in same)
    return "every stage is found again"


@fault("stages partly deleted", 6, 1)
def deleted(known: Known, draw: random.Random) -> str:
    """Some folders, some journals."""
    out = known.out()
    known.finishes(out)
    for path in sorted((known.place.folder / out / known.stages).iterdir()):
        if draw.random() < 0.5:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    known.finishes(out, "--force")
    return "the same bytes"


@fault("from scratch twice", 2, 1)
def twice(known: Known, draw: random.Random) -> str:
    """With nothing kept in between."""
    out = known.out()
    known.finishes(out)
    known.finishes(out, "--force", "--fresh")
    return "the same bytes"


@fault("the run folder appears while the run goes on", 2, 1)
def appears(known: Known, draw: random.Random) -> str:
    """Somebody else's."""
    out = known.out()
    started, folder = known.place.start(out), known.place.folder / out / known.place.name
    time.sleep(known.seconds / 4)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine").write_text("nobody's business", encoding="utf-8")
    code = started.end()
    assert code == 0 or "exists already" in one_sentence(started.said), started.said
    assert [path.name for path in folder.iterdir()] == ["mine"]
    if code == 0:
        differs = Result.of(folder.with_name(f"{folder.name}-2")).differs(known.result)
        assert not differs, differs
    return "it is left alone; the result stands beside it"


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
            one(name, made, known, wanted.kills if made is killed and wanted.kills else tries)
        kills = wanted.default if wanted.default is not None else 0 if wanted.short or wanted.only else 3
        if kills:
            place = Place(Path(folder), str(DEFAULT), "distilbert-int8-axformer", DEFAULT_SHORT, os.cpu_count() or 1)
            one("kill -9, the default recipe", killed, [Known.of(place)], kills)
    print("\n".join(wrong), file=sys.stderr)
    if wanted.write:
        from reliability import page

        page.keep("faults", found)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
