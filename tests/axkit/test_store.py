"""Rows in Arrow files: made once for a content, wherever it lies and whoever reads it at the same time."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from readings import cells, write

from axkit.ground.errors import StorageError
from axkit.tasks.source import store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "axkit-rows"


@pytest.fixture
def made(monkeypatch):
    """The files that were read, not found."""
    calls, real = [], store._make

    def make(source, folder, rows):
        calls.append(source.path.name)
        real(source, folder, rows)

    monkeypatch.setattr(store, "_make", make)
    return calls


ROWS = "text,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(2500))


def test_the_same_content_is_read_once(tmp_path, made):
    first = cells(write(tmp_path / "a.csv", ROWS))
    assert len(first) == 2500
    assert cells(write(tmp_path / "b.csv", ROWS)) == first
    assert made == ["a.csv"]
    cells(write(tmp_path / "a.csv", ROWS.replace("row 7,", "row seven,")))
    assert made == ["a.csv"] * 2, "another content"
    cells(tmp_path / "b.csv", label="text", text="label")
    cells(tmp_path / "b.csv", quoting="none")
    assert made[2:] == ["b.csv"] * 2, "other columns, other settings"


def test_what_is_damaged_is_made_again(tmp_path, made, cache):
    first = cells(write(tmp_path / "a.csv", ROWS))
    (file,) = cache.rglob("rows.arrow")
    file.write_bytes(b"nothing")
    assert cells(tmp_path / "a.csv") == first
    assert made == ["a.csv"] * 2


def test_what_dead_processes_left_is_removed(tmp_path, cache):
    for name, age in (("old", 100_000), ("young", 10)):
        folder = cache / f".making-{name}"
        folder.mkdir(parents=True)
        then = os.stat(folder).st_mtime - age
        os.utime(folder, (then, then))
    cells(write(tmp_path / "a.csv", ROWS))
    assert [path.name for path in cache.glob(".making-*")] == [".making-young"]


def test_another_process_may_be_faster(tmp_path, monkeypatch, cache):
    real = store._write

    def write_late(source, path, rows):
        real(source, path, rows)
        shutil.copytree(path.parent, cache / store._key(source))

    monkeypatch.setattr(store, "_write", write_late)
    assert len(cells(write(tmp_path / "a.csv", ROWS))) == 2500
    assert len(list(cache.iterdir())) == 1


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, cache):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    with pytest.raises(
        StorageError, match=r"cannot write .*axkit-rows \(No space left on device\); free space, or set HF_"
    ):
        cells(write(tmp_path / "a.csv", ROWS))
    assert not list(cache.iterdir())
