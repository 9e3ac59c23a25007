"""Stages, journals and run folders on disk: damage is set aside, nobody's work is removed, nothing is half there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from axkit import owners
from axkit.anatomy.family import family_of
from axkit.cache import StageStore
from axkit.errors import StorageError
from axkit.journal import FileJournal
from axkit.saving import atomic
from axkit.saving.atomic import atomic_folder, draft_of
from axkit.testing import tiny_subject, tiny_tokenizer
from axkit.writable import check_writable


class Heard:
    """A Progress that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def track(self, items, what, total=None):
        yield from items

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path / "stages", machine="m", progress=Heard())


def put(store):
    folder = store.folder(0, "finetune", "k")
    store.begin(folder, fresh=False)
    store.journal(folder).write(step=1, loss=0.25)
    store.put(folder, tiny_subject(family_of("distilbert")), tiny_tokenizer(), {"new_tokenizer": False}, {})
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FILES = ("stage.json", "axkit.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "")


@pytest.mark.parametrize("harm", [cut, empty, flip, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_stage_is_set_aside_and_told(store, name, harm):
    folder = put(store)
    assert store.find(folder) is not None
    assert not store.scratch(folder).exists()
    for _ in range(2):
        harm(folder / name if name else store.journal(folder).path)
        assert store.find(folder) is None
        assert not folder.exists()
        assert store.journal(folder).read() == [], "the stage is made again from its start"
        assert "is damaged and is made again" in store.progress.lines[-1]
        put(store)
        assert store.find(folder) is not None
    left = {path.name for path in store.root.iterdir()}
    assert left == {folder.name, f"{folder.name}.journal.jsonl", f"{folder.name}.damaged"}
    store.keep_only({"0-finetune-k"})
    assert {path.name for path in store.root.iterdir()} == left
    store.keep_only(set())
    assert not list(store.root.iterdir())


def test_the_scratch_of_a_stage_that_was_killed_when_it_was_done_goes(store):
    folder = put(store)
    store.scratch(folder).mkdir()
    assert store.find(folder) is not None
    assert not store.scratch(folder).exists()


@pytest.mark.parametrize("text", ["null", "[]", "{}", '{"record": 3, "sha256": ""}', "[" * 10**5])
def test_a_record_of_another_form_is_damage(store, text):
    folder = put(store)
    (folder / "stage.json").write_text(text)
    assert store.find(folder) is None


def test_stages_that_another_run_holds_or_writes_stay(store):
    store.root.mkdir(parents=True)
    (store.root / "1-int8-k-m").mkdir()
    (store.root / "2-int8-k-m").mkdir()
    owners.own(store.root / "3-int8-k-m", "partial").mkdir()
    with owners.alone(store.root / "1-int8-k-m.lock", "it", Heard()):
        thread = threading.Thread(target=store.keep_only, args=(set(),))
        thread.start()
        thread.join()
    left = {path.name for path in store.root.iterdir() if path.is_dir()}
    assert left == {"1-int8-k-m", owners.own(store.root / "3-int8-k-m", "partial").name}


def test_a_journal_is_read_up_to_its_first_damaged_line(tmp_path):
    heard = Heard()
    journal = FileJournal(tmp_path / "j", heard)
    for number in range(4):
        journal.write(element=f"é{number}", loss=number / 7)
    whole = journal.path.read_bytes()
    lines = journal.read()
    assert [line["element"] for line in lines] == ["é0", "é1", "é2", "é3"]
    assert [line["loss"] for line in lines] == [number / 7 for number in range(4)]
    journal.path.write_bytes(whole[:-5])
    assert journal.read() == lines[:3], "what a kill leaves"
    assert heard.lines == []
    places = range(len(whole.splitlines(True)[0]), 2 * len(whole.splitlines(True)[0]))
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        journal.path.write_bytes(damaged)
        assert journal.read() == lines[:1], f"a flipped bit at {place}"
        assert journal.read() == lines[:1], "and the rest is gone"
    assert len(heard.lines) == len(places)
    assert (tmp_path / "j.damaged").is_file()
    journal.write(element="é1", loss=1 / 7)
    assert journal.read() == lines[:2]
    journal.keep(1)
    assert journal.read() == lines[:1]


def test_a_full_disk_under_the_journal_is_a_sentence(tmp_path, monkeypatch):
    journal = FileJournal(tmp_path / "j")
    journal.write(a=1)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"j \(No space left on device\); free space"):
        journal.write(a=2)


def a_dead_process():
    """The name part that a process which is gone left."""
    code = "from axkit import owners; from pathlib import Path; print(owners.own(Path('x/t'), 'partial').name)"
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


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_takes_the_place_of_another_at_once(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    target = tmp_path / "t"
    for text in ("first", "second"):
        with atomic_folder(target) as folder:
            (folder / "file").write_text(text)
        assert (target / "file").read_text() == text
        assert list(tmp_path.iterdir()) == [target]


def test_a_reader_finds_a_folder_at_any_moment(tmp_path):
    if atomic._renameat2() is None:
        pytest.skip("this system cannot exchange names")
    target, stop, missing = tmp_path / "t", threading.Event(), []

    def look():
        while not stop.is_set():
            if not (target / "file").exists():
                missing.append(1)

    with atomic_folder(target) as folder:
        (folder / "file").write_text("0")
    thread = threading.Thread(target=look)
    thread.start()
    for text in "123456789":
        with atomic_folder(target) as folder:
            (folder / "file").write_text(text)
    stop.set()
    thread.join()
    assert not missing


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


def test_a_folder_that_appeared_meanwhile_is_left_alone(tmp_path):
    target = tmp_path / "t"
    for number in range(3):
        with draft_of(target) as draft:
            (draft.folder / "file").write_text(str(number))
            if not number:
                target.mkdir()
                (target / "file").write_text("another's")
            place = draft.place_beside(target)
        assert place.name == f"t-{number + 2}"
    assert (target / "file").read_text() == "another's"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_in_the_place_of_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "t").write_text("mine")
    with pytest.raises(StorageError, match="Not a directory"), atomic_folder(tmp_path / "t"):
        pass
    assert (tmp_path / "t").read_text() == "mine"


@pytest.mark.parametrize(
    "said",
    [
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        Exception("File too large (os error 27)"),
    ],
)
def test_whoever_says_that_the_disk_is_full_is_understood(tmp_path, said):
    with pytest.raises(StorageError, match="free space or choose another"), atomic_folder(tmp_path / "t"):
        try:
            raise said
        except Exception as error:
            raise ValueError("of a library") from error
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="a bug"), atomic_folder(tmp_path / "t"):
        raise ValueError("a bug")


def test_an_output_that_cannot_be_is_refused_before_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for target, said in (
        (tmp_path / "file", "it is a file"),
        (tmp_path / "file" / "runs" / "t", "is a file"),
        (tmp_path / ("n" * 250), "File name too long"),
        (tmp_path / ("n" * 300) / "t", "File name too long"),
        (tmp_path / "deep" / ("é" * 130), "File name too long"),
    ):
        with pytest.raises(StorageError, match=said):
            check_writable(target)
    check_writable(tmp_path / "runs" / "deep" / "t")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    real = Path.mkdir

    def read_only(self, *args, **kwargs):
        if self.name.startswith("."):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(StorageError, match="Permission denied"):
        check_writable(tmp_path / "runs")


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
        "import os, sys; from pathlib import Path; from axkit import owners; from axkit.progress import Silent\n"
        "with owners.alone(Path('l'), 'it', Silent()):\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == -9
    heard = Heard()
    with owners.alone(tmp_path / "l", "it", heard):
        pass
    assert heard.lines == []
