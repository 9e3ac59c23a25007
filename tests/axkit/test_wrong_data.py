"""Wrong data, by way of the command line: one sentence each and exit code 2, or handled as docs/tasks.md says."""

from __future__ import annotations

import json

import pytest
from command import axkit, refused

RECIPE = """\
axkit: 1
name: tiny
model: model
task:
  kind: {kind}
  files: {{train: train.jsonl, test: test.jsonl}}
  text: text
  label: label
  id: id
passes:
  - pass: finetune
    epochs: 0.1
"""


def rows(kind="classification", count=40, first=0):
    labels = {"classification": lambda i: i % 2, "regression": lambda i: i / 7}
    return [{"id": i, "text": f"the film {i}", "label": labels[kind](i)} for i in range(first, first + count)]


def lines(some):
    return "".join(json.dumps(row) + "\n" for row in some).encode()


def with_row(**fields):
    """The 41st row of train is another."""
    return lambda kind: {"train.jsonl": lines([*rows(kind), {"id": 40, "text": "good", "label": 1, **fields}])}


REFUSED = {
    "missing column": (
        "classification",
        lambda kind: {"train.jsonl": lines({"id": row["id"], "text": row["text"]} for row in rows(kind))},
        "train file train.jsonl: no column 'label'; the columns are id, text",
    ),
    "label outside the range": (
        "classification",
        lambda kind: {"test.jsonl": lines([*rows(kind), {"id": 40, "text": "good", "label": 7}])},
        "test split, row 41: label 7 is outside 0..1 (2 labels in train)",
    ),
    "empty text": ("classification", with_row(text=""), "train split, row 41: 'text' holds no text ('')"),
    "white text": ("classification", with_row(text=" \n"), r"row 41: 'text' holds no text (' \n')"),
    "no text": ("classification", with_row(text=None), "row 41: 'text' holds no text (None)"),
    "invalid UTF-8": (
        "classification",
        lambda kind: {"train.jsonl": lines(rows(kind)) + b'{"id": 40, "text": "caf\xe9", "label": 1}\n'},
        "train file train.jsonl, line 41: byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "half a character": (
        "classification",
        lambda kind: {"train.jsonl": lines(rows(kind)) + b'{"id": 40, "text": "\\ud800", "label": 1}\n'},
        "train file train.jsonl, row 41, column 'text': it holds half a character",
    ),
    "duplicate ids": ("classification", with_row(id=3), "train split, row 41: 'id' is 3, as in row 4"),
    "one class only": (
        "classification",
        lambda kind: {"train.jsonl": lines(row | {"label": 1} for row in rows(kind))},
        "a classification needs two labels or more, train has 1",
    ),
    "NaN score": ("regression", with_row(label=float("nan")), "train split, row 41: score 'label' is nan"),
    "infinite score": ("regression", with_row(label=float("inf")), "row 41: score 'label' is inf"),
}


@pytest.fixture
def run(workplace, monkeypatch, capsys):
    def go(kind, files, command):
        (workplace / "recipe.yaml").write_text(RECIPE.format(kind=kind))
        for name, content in ({n: lines(rows(kind)) for n in ("train.jsonl", "test.jsonl")} | files).items():
            (workplace / name).write_bytes(content)
        return axkit(command, "recipe.yaml", monkeypatch=monkeypatch, capsys=capsys)

    return go


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("fault", REFUSED)
def test_wrong_data_is_one_sentence(run, workplace, fault, command):
    kind, files, sentence = REFUSED[fault]
    (told,) = refused(run(kind, files(kind), command))
    assert sentence in told
    assert not (workplace / "runs").exists()


def test_a_text_of_ten_thousand_characters_is_truncated_and_counted(run, workplace):
    long = {"train.jsonl": lines([*rows(), {"id": 40, "text": "good film " * 1000, "label": 1}])}
    assert run("classification", long, "plan")[0] == 0
    code, _, err = run("classification", long, "apply")
    assert code == 0, err
    report = json.loads((workplace / "runs" / "tiny" / "report.json").read_text())
    cut = report["summary"]["rows_truncated"]
    assert (cut["train"] + cut["search"], cut["test"]) == (1, 0)
    assert "Truncated: 1. " in (workplace / "runs" / "tiny" / "report.md").read_text()


def test_rows_in_two_splits_are_told_pair_by_pair(run):
    code, out, _ = run("classification", {"test.jsonl": lines(rows(first=37, count=20))}, "plan")
    assert code == 0
    told = [line.split() for line in out.splitlines() if line.startswith("note ")]
    assert sum(int(words[1]) for words in told) == 3
    assert all(words[2:7] == ["test", "rows", "also", "stand", "in"] for words in told)
    assert "note" not in run("classification", {"test.jsonl": lines(rows(first=90))}, "plan")[1]
