"""Run folders on disk: there at once or not at all, nobody's work replaced, a full disk told in a sentence."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from axkit.ground import atomic
from axkit.ground.atomic import atomic_folder, draft_of
from axkit.ground.errors import StorageError
from axkit.ground.files import replacing
from axkit.ground.writable import check_writable


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


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, shared):
    path = tmp_path / "report.json"
    with replacing(path, durable=True, shared=shared) as beside:
        beside.write_text("old")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), replacing(path, shared=shared) as beside:
        beside.write_text("new")
        1 / 0  # noqa: B018 - what comes in between
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"], "nothing is left beside it"


def test_what_a_killed_writer_left_is_written_over_and_gone(tmp_path):
    path = tmp_path / "report.json"
    with replacing(path) as beside:
        beside.write_text("old")
    beside.write_text("half of it, and more than the next one wri")
    with replacing(path) as beside:
        beside.write_text("new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.json", "new")]
