"""Prepares a file of a million rows, and prints what it took: seconds of processor time, peak memory, bytes of cache.

    python benchmarks/large_data.py [--rows 1000000] [--folder FOLDER]

Each step is a process of its own, whose peak is its resident memory less the file pages that the system can take back.
The words come from a vocabulary of the tests; the rows are of 5 to 40 words, some 0.15 GB in all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WORDS = "a the film play story good bad dull bright fine poor great weak is was not very and but so".split()


def write_rows(path: Path, rows: int, seed: int) -> None:
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for index in range(rows):
            text = " ".join(draw.choices(WORDS, k=draw.randint(5, 40)))
            file.write(json.dumps({"id": f"{seed}-{index}", "sentence": text, "label": index % 2}) + "\n")


class Peak:
    """Largest anonymous and whole resident memory of this process, looked at every 20 ms."""

    def __init__(self) -> None:
        self.anonymous = self.resident = 0
        self.note()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        while True:
            self.note()
            time.sleep(0.02)

    def note(self) -> None:
        said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        self.anonymous = max(self.anonymous, int(said["RssAnon"].split()[0]))
        self.resident = max(self.resident, int(said["VmRSS"].split()[0]))


def step(folder: Path, prepare: bool) -> None:
    """Load and check the rows of train and test; with ``prepare`` tokenize them and make every batch too."""
    from axkit.tasks.kinds.known import KINDS
    from axkit.tasks.samples import Samples
    from axkit.tasks.source.rows import load_rows
    from axkit.tasks.spec import Task, TaskSpec
    from axkit.tasks.split import Split
    from axkit.testing import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    peak, times = Peak(), {}
    base, start = peak.anonymous, time.process_time()
    files = {name: str(folder / f"{name}.jsonl") for name in ("train", "test")}
    spec = TaskSpec(kind="classification", text="sentence", label="label", id="id", files=files)
    rows = load_rows(Task("large", spec), Samples())
    times["rows_s"] = time.process_time() - start
    if prepare:
        start = time.process_time()
        splits = {name: Split(part, spec, KINDS[spec.kind], tokenizer, 60) for name, part in rows.splits.items()}
        times["tokenize_s"] = time.process_time() - start
        start = time.process_time()
        count = sum(len(batch.rows) for split in splits.values() for batch in split.batches(64))
        times["batches_s"] = time.process_time() - start
        assert count == sum(map(len, rows.splits.values()))
    print(
        json.dumps(
            times
            | {
                "rows": {name: len(part) for name, part in rows.splits.items()},
                "imports_MB": base // 1000,
                "peak_anonymous_MB": peak.anonymous // 1000,
                "peak_resident_MB": peak.resident // 1000,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=["rows", "whole"])
    asked = parser.parse_args()
    if asked.step:
        step(asked.folder, asked.step == "whole")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        write_rows(folder / "train.jsonl", asked.rows, 1)
        write_rows(folder / "test.jsonl", max(100, asked.rows // 100), 2)
        print(f"{asked.rows} rows, {(folder / 'train.jsonl').stat().st_size / 1e6:.0f} MB")
        here = os.environ | {"HF_DATASETS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        for name, wanted in (("rows alone", "rows"), ("the whole", "whole"), ("the whole, again", "whole")):
            command = [sys.executable, __file__, "--step", wanted, "--folder", str(folder)]
            done = subprocess.run(command, env=here, check=True, capture_output=True, text=True)
            print(f"{name}: {done.stdout.strip()}")
        size = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
        print(f"cache: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
