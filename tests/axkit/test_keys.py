"""The same job has the same key, another one has not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from axkit.ground import hashes, registry
from axkit.ground.cpu import machine_key
from axkit.ground.hashes import file_hash
from axkit.run import keys
from axkit.run.planning import plan
from axkit.run.recipe import load_source

DISTILL = """\
  - pass: distill
    teacher: teacher
    hard: 1.0
"""


def found(*settings: str, text: str | None = None) -> list[str]:
    path = Path("recipe.yaml")
    if text is not None:
        path = Path("other.yaml")
        path.write_text(text, encoding="utf-8")
    return keys.stage_keys(plan(load_source(path, settings)))


def test_a_copied_and_a_touched_folder_are_the_same_job(workplace):
    before = found()
    shutil.copytree("model", "elsewhere")
    shutil.copy("train.jsonl", "elsewhere/rows.jsonl")
    for path in Path("model").iterdir():
        os.utime(path, (1, 1))
    os.utime("train.jsonl", (1, 1))
    assert found() == before
    assert found("model=elsewhere", "task.files.train=elsewhere/rows.jsonl", "name=other") == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_other_contents_of_the_model_are_another_job(workplace, name):
    path = workplace / "model" / name
    before, old, times = found(), path.read_bytes(), path.stat()
    at = len(old) - 3 if name.endswith("safetensors") else old.rindex(b"1")
    path.write_bytes(old[:at] + (b"2" if old[at : at + 1] != b"2" else b"3") + old[at + 1 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = found()
    assert all(a != b for a, b in zip(before, after, strict=True)), "of the same size, name and mtime"


def test_another_row_is_another_job(workplace):
    before = found()
    rows = (workplace / "train.jsonl").read_text().splitlines()
    (workplace / "train.jsonl").write_text("\n".join([rows[0].replace("the", "a", 1) + " ", *rows[2:]]) + "\n")
    assert found()[0] != before[0]


def test_the_contents_of_a_teacher_are_part_of_the_pass(workplace):
    from axkit.anatomy.family import family_of
    from axkit.testing import tiny_model, tiny_tokenizer

    tiny_model(family_of("distilbert")).save_pretrained("teacher")
    tiny_tokenizer().save_pretrained("teacher")
    text = (workplace / "recipe.yaml").read_text().partition("  - pass: hard")[0] + DISTILL
    before = found(text=text)
    path = workplace / "teacher" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x42")
    after = found(text=text)
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def test_settings_of_an_inner_pass_are_part_of_the_pass(workplace):
    inner = ("passes.2.objective=budget", "passes.2.size=1.2", "passes.2.recover={pass: finetune, epochs: 1}")
    first = found(*inner)
    changed = found(*inner[:2], "passes.2.recover={pass: finetune, epochs: 2}")
    assert first[:3] == changed[:3]
    assert first[3] != changed[3]


PLUGIN = """\
import axkit
from helper_of_ours import number

class Ours(axkit.Pass):
    \"\"\"Does nothing.\"\"\"
    Config = axkit.PassConfig
    def apply(self, subject, config, tools):
        return axkit.Result(note=f"nothing {number}")
"""


@pytest.fixture
def plugin(workplace, monkeypatch):
    """A pass in a package of two files, whose version never moves."""
    folder = workplace / "plugins"
    meta, package = folder / "ours-1.0.dist-info", folder / "ours_pass"
    meta.mkdir(parents=True)
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN.replace("helper_of_ours", "ours_pass.helper"))
    (package / "helper.py").write_text("number = 1\n")
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[axkit.passes]\nours = ours_pass:Ours\n")
    monkeypatch.syspath_prepend(folder)
    registry.forget()
    keys.source_hash.cache_clear()
    yield package
    monkeypatch.undo()
    registry.forget()
    keys.source_hash.cache_clear()


def test_changed_source_of_a_plugin_is_another_job(plugin):
    text = Path("recipe.yaml").read_text().partition("  - pass: int8")[0] + "  - pass: ours\n"
    before = found(text=text)
    (plugin / "helper.py").write_text("number = 2\n")
    keys.source_hash.cache_clear()  # as in another process
    after = found(text=text)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]
    (plugin / "helper.py").write_text("number = 1\n")
    (plugin / "__pycache__").mkdir(exist_ok=True)
    (plugin / "__pycache__" / "helper.pyc").write_bytes(b"whatever Python leaves there")
    keys.source_hash.cache_clear()
    assert found(text=text) == before


def test_threads_processes_and_kernels_are_of_the_machine(monkeypatch):
    one = machine_key()
    assert machine_key() == one
    assert machine_key(2) != one
    assert machine_key(device="NVIDIA H100") != one
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert machine_key() != one
    monkeypatch.undo()
    assert machine_key() == one
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    assert machine_key() != one
    torch.set_num_threads(before)


def test_a_large_file_is_read_once_and_again_when_it_or_the_cache_has_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "_LARGE", 4)
    monkeypatch.setattr(hashes, "_SETTLED_S", -1.0)
    read = []
    real = hashes.read_hash
    monkeypatch.setattr(hashes, "read_hash", lambda path: read.append(path) or real(path))
    path = tmp_path / "weights"
    path.write_bytes(b"12345678")
    first = file_hash(path)
    assert file_hash(path) == first
    assert len(read) == 1
    times = path.stat()
    path.write_bytes(b"12345679")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = file_hash(path)
    assert second != first, "of the same size and mtime"
    (entry,) = (tmp_path / "cache" / "hashes").iterdir()
    good = entry.read_text()
    flipped = json.loads(good) | {"sha256": first}
    for damaged in ("", good[:20], "[]", "{}", "null", json.dumps(flipped), "\x00" * 9):
        entry.write_text(damaged)
        assert file_hash(path) == second
    monkeypatch.setenv("AXKIT_CACHE", str(path))  # no folder
    assert file_hash(path) == second
