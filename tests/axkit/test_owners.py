"""Whose a folder or a lock is: the living keep theirs, and what the dead left is mended or goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from conftest import Heard

from axkit.ground import owners
from axkit.ground.atomic import atomic_folder
from axkit.run.store import StageStore


def a_dead_process():
    """The name part that a process which is gone left."""
    code = "from axkit.ground import owners; from pathlib import Path; print(owners.own(Path('x/t'), 'partial').name)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_dead_processes_left_goes_and_what_living_ones_write_stays(tmp_path):
    dead = a_dead_process().removeprefix(".t.partial-")
    target, mine = tmp_path / "t", owners.own(tmp_path / "t", "partial")
    left = [tmp_path / f".t.partial-{dead}", tmp_path / f".u.partial-{dead}"]
    kept = [mine.with_name(f"{mine.name[:-8]}{'0' * 8}"), mine, tmp_path / ".t.partial-other-1-1"]
    for folder in (*left, *kept):
        folder.mkdir()
    assert owners.left_by_the_dead(target, "partial") == sorted([kept[0], left[0]]), "another that had this id, too"
    owners.sweep_out(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept[1:])
    os.utime(kept[2], (1, 1))
    owners.sweep_out(tmp_path)
    assert sorted(tmp_path.iterdir()) == [mine], "of another machine, and idle for a day"


def test_a_kill_between_two_renames_is_mended_by_the_next_start(tmp_path):
    dead = a_dead_process().removeprefix(".t.partial-")
    old = tmp_path / f".t.old-{dead}"
    old.mkdir()
    (old / "file").write_text("the result")
    owners.sweep_out(tmp_path)
    assert (tmp_path / "t" / "file").read_text() == "the result"
    shutil.move(tmp_path / "t", old)
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "t"):
        raise KeyboardInterrupt
    assert (tmp_path / "t" / "file").read_text() == "the result"


def test_who_waits_is_told_for_whom(tmp_path):
    heard, done = Heard(), []

    def second():
        with owners.alone(tmp_path / "l", "runs/tiny", heard):
            done.append(2)

    with owners.alone(tmp_path / "l", "runs/tiny", Heard()):
        with owners.alone(tmp_path / "l", "runs/tiny", Heard()):
            pass  # who holds it goes on
        said = json.loads((tmp_path / "l.holder").read_text())
        assert said["pid"] == os.getpid()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        done.append(1)
    thread.join(20)
    assert done == [1, 2]
    assert len(heard.lines) == 1
    assert heard.lines[0].startswith(f"Waiting for runs/tiny, which process {os.getpid()} on {said['host']} (since ")


def test_the_lock_goes_with_its_process(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from axkit.ground import owners\n"
        "from axkit.ground.progress import Silent\n"
        "with owners.alone(Path('l'), 'it', Silent()):\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == -9
    heard = Heard()
    with owners.alone(tmp_path / "l", "it", heard):
        pass
    assert heard.lines == []


def test_two_makers_of_a_stage_take_turns(tmp_path):
    """One waits until the other has finished, and says so; a store of one recipe has no locks."""
    heard, order = Heard(), []
    store = StageStore(tmp_path, shared=True, progress=heard)

    def other():
        with store.alone(tmp_path / "stage"):
            order.append("second")

    with store.alone(tmp_path / "stage"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert heard.count(f"Waiting for stage, which process {os.getpid()} on ") == 1
    with StageStore(tmp_path / "own").alone(tmp_path / "own" / "stage"):
        assert not (tmp_path / "own").exists()
