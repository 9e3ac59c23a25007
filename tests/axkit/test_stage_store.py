"""Stages and journals on disk: damage is set aside and told, and what another run holds stays."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from conftest import Heard
from records import stage

from axkit.anatomy.family import family_of
from axkit.ground import owners
from axkit.ground.errors import StorageError
from axkit.run.journal import FileJournal
from axkit.run.store import StageStore
from axkit.tasks.about import About
from axkit.testing import tiny_subject


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path / "stages", machine="m", progress=Heard())


def put(store):
    folder = store.folder(0, "finetune", "k")
    store.begin(folder, fresh=False)
    store.journal(folder).write(step=1, loss=0.25)
    store.put(folder, tiny_subject(family_of("distilbert")), stage(), About())
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
