"""How much memory a finished folder takes: the peak of a fresh process that loads it and answers one batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from axkit.ground.errors import CheckpointError, shown
from axkit.measure.speed import peak_memory_bytes

_STATUS = Path("/proc/self/status")  # of Linux


def memory_bytes(folder: Path, rows: int, tokens: int, threads: int) -> int:
    """The largest resident set of a process that serves a folder on the CPU, Python and runtime included.

    Args:
        folder: a run folder, or any checkpoint with a head.
        rows: of the batch that it answers, random.
        tokens: of each row.
        threads: that it computes with.

    Raises:
        CheckpointError: the process came to no end; what it said last is told.
    """
    asked = [sys.executable, "-m", "axkit.finished.footprint", str(folder), str(rows), str(tokens)]
    limits = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env={**os.environ, **limits})
    try:
        return int(json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError) as error:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise CheckpointError(
            f"the process that was to tell how much memory {folder} takes failed: {shown(said)}; leave memory out "
            f"with --no-memory"
        ) from error


def main(folder: str, rows: str, tokens: str) -> None:
    """What the process does; prints the bytes."""
    from axkit.finished.opened import open_finished
    from axkit.measure.serving import Feed
    from axkit.tasks.image_reader import ImageReader

    opened = open_finished(Path(folder))
    body, reader = opened.subject.body, opened.reader
    if isinstance(reader, ImageReader):
        feed = Feed.of_images([int(rows)], reader.shape)
    else:
        lengths = [[int(tokens)] * int(rows)]
        feed = Feed.of_tokens(lengths, reader.model_input_names, int(body.config["vocab_size"]))
    body.answer(feed.batches[0])
    body.wait()
    print(_peak_bytes())


def _peak_bytes() -> int:
    """The largest resident set since this program began: ``getrusage`` counts the process that started it, too."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return 1024 * int(value.split()[0])
    return peak_memory_bytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
