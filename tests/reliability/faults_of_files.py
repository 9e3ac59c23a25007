"""Files that are damaged, gone, copied, or cannot be written."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

from reliability.known import Known
from reliability.lab import one_sentence


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


def deleted(known: Known, draw: random.Random) -> str:
    """Some folders, some journals."""
    out = known.out()
    known.finishes(out)
    for path in sorted((known.place.folder / out / known.stages).iterdir()):
        if draw.random() < 0.5:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    known.finishes(out, "--force")
    return "the same bytes"
