"""A target that misbehaves in every way, to try the judge on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from axkit.ground.errors import AxkitError

NAME, COUNT = "toy", 8
WAYS = ("ok", "refused", "unclear", "traceback", "crash", "exit", "outside", "hang")


def prepare(folder: Path) -> Path:
    return folder


def mutate(rng, base, folder: Path) -> str:
    way = WAYS[int(folder.name) % len(WAYS)]
    (folder / "way.txt").write_text(way)
    return way


def use(folder: Path) -> None:
    way = (folder / "way.txt").read_text()
    if way == "refused":
        raise AxkitError("way.txt, line 1: no")
    if way == "unclear":
        raise AxkitError("no\nand no")
    if way == "traceback":
        raise KeyError(way)
    if way == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "exit":
        raise SystemExit(0)
    if way == "outside":
        (folder.parent / "elsewhere").touch()
    if way == "hang":
        signal.pause()
