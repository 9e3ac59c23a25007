"""The example files of docs/tasks.md are read by the very lines that stand below them."""

import re
import shutil

import pytest
from doc_blocks import ROOT
from ruamel.yaml import YAML

from axkit.tasks.kinds.kind import our_kinds
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import resolve

FILES = ROOT / "docs" / "examples" / "files"
PAGE = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
SHOWN = re.findall(r'```text title="([^"]+)"\n(.*?)\n```\n\n```yaml\n(.*?)```', PAGE, re.S)
READ = {  # file -> rows, and names of labels
    "reviews.csv": (5, ("bad", "good")),
    "questions.csv": (5, ("no", "yes")),
    "letters.csv": (4, ()),
    "tickets.jsonl": (4, ("damage", "delivery", "payment")),
    "places.conll": (3, ("B-PERSON", "B-PLACE", "I-PERSON", "I-PLACE", "O")),
    "local.jsonl": (4, ()),
    "tomatoes": (6, ("green", "ripe")),
}


def task_of(lines):
    return YAML(typ="safe", pure=True).load(lines)["task"]


def test_each_kind_has_a_file_and_each_file_is_shown():
    assert {name for name, _, _ in SHOWN} == {path.name for path in FILES.iterdir()} == set(READ)
    assert {task_of(lines)["kind"] for _, _, lines in SHOWN} == set(our_kinds())


@pytest.mark.parametrize(("name", "text", "lines"), SHOWN, ids=[name for name, _, _ in SHOWN])
def test_a_file_is_read_by_the_lines_below_it(name, text, lines, tmp_path, monkeypatch):
    listed = "\n".join(sorted(path.relative_to(FILES).as_posix() for path in (FILES / name).rglob("*.*")))
    assert text == (listed or f'--8<-- "docs/examples/files/{name}"')
    shutil.copytree(FILES, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    found = load_rows(resolve(task_of(lines), str), Samples())
    assert all(len(rows) for rows in found.splits.values())
    assert (sum(len(rows) for rows in found.splits.values()), found.label_names) == READ[name]
    assert task_of(lines)["files"] == name
