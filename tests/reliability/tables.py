"""Good inputs of every kind of task, in every form that axkit reads; ``targets.data`` damages them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = "the film play story good bad dull bright Ada won Paris very so great weak".split()

Task = tuple[str, dict[str, Any], list[dict[str, Any]]]  # its forms, its fields, its rows


@dataclass(frozen=True)
class Good:
    """A good input: the fields of its task, its rows, and how they are written."""

    spec: dict[str, Any]
    rows: list[dict[str, Any]]
    write: Callable[[list[dict[str, Any]], Path], None]
    name: str


def _sentences(count: int, label: Callable[[int], Any]) -> list[dict[str, Any]]:
    draw = random.Random(count)
    return [
        {"id": i, "text": " ".join([*draw.choices(WORDS, k=4), str(i)]), "label": label(i), "note": None}
        for i in range(count)
    ]


def _tagged(count: int) -> list[dict[str, Any]]:
    draw, rows = random.Random(count), []
    for i in range(count):
        words = [*draw.choices(WORDS, k=3), f"w{i}"]
        rows.append({"words": words, "tags": ["B-PER" if word == "Ada" else "O" for word in words]})
    return rows


def _questions(count: int) -> list[dict[str, Any]]:
    rows = []
    for i in range(count):
        answers = {"text": ["Ada"], "answer_start": [4]} if i % 3 else {"text": [], "answer_start": []}
        rows.append(
            {"id": f"q{i}", "question": f"who won {i}?", "context": f"so, Ada won {i} times", "answers": answers}
        )
    return rows


def _lines(rows: list[dict[str, Any]], path: Path) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", errors="replace")


def _records(rows: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(rows, indent=1, default=str))


def _columns(rows: list[dict[str, Any]], path: Path) -> None:
    names = list(rows[0]) if rows else []
    path.write_text(json.dumps({n: {str(i): row.get(n) for i, row in enumerate(rows)} for n in names}, default=str))


def _split(rows: list[dict[str, Any]], path: Path) -> None:
    names = list(rows[0]) if rows else []
    path.write_text(json.dumps({"columns": names, "data": [[r.get(n) for n in names] for r in rows]}, default=str))


def _squad(rows: list[dict[str, Any]], path: Path) -> None:
    articles = []
    for row in rows:
        answers = row.get("answers")
        if isinstance(answers, dict) and all(isinstance(answers.get(n), list) for n in ("text", "answer_start")):
            pairs = zip(answers["text"], answers["answer_start"], strict=False)
            answers = [{"text": text, "answer_start": start} for text, start in pairs]
        question = {name: row.get(name) for name in ("id", "question")} | {"answers": answers}
        articles.append({"title": "t", "paragraphs": [{"context": row.get("context"), "qas": [question]}]})
    path.write_text(json.dumps({"version": "v2.0", "data": articles}, default=str))


def _delimited(sep: str, quoting: int = csv.QUOTE_MINIMAL, header: bool = True) -> Callable[..., None]:
    def write(rows: list[dict[str, Any]], path: Path) -> None:
        text = io.StringIO()
        names = list(rows[0]) if rows else []
        if quoting == csv.QUOTE_NONE:
            lines = [names, *([str(row.get(n) if row.get(n) is not None else "") for n in names] for row in rows)]
            text.write("".join(sep.join(line) + "\n" for line in lines))
        else:
            writer = csv.writer(text, delimiter=sep, quoting=quoting)
            writer.writerows([*([names] if header else []), *([row.get(n) for n in names] for row in rows)])
        path.write_text(text.getvalue(), encoding="utf-8", errors="replace", newline="")

    return write


def _conll(sep: str) -> Callable[..., None]:
    def write(rows: list[dict[str, Any]], path: Path) -> None:
        text = ""
        for row in rows:
            lists = [value if isinstance(value, list) else [value] for value in row.values()]
            text += "".join(sep.join([str(word), "NN", str(tag)]) + "\n" for word, tag in zip(*lists, strict=False))
            text += "\n"
        path.write_text(text, encoding="utf-8", errors="replace")

    return write


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """As pandas or datasets would; a column of several types is text, as Arrow has no other way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for name in rows[0] if rows else []:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, UnicodeError):
            columns[name] = pa.array([ascii(value) for value in values])
    pq.write_table(pa.table(columns), path)


def _pictures(rows: list[dict[str, Any]], path: Path) -> None:
    """As datasets writes images: their bytes within the file."""

    def inside(value: Any) -> Any:
        there = isinstance(value, str) and value.endswith(".png") and Path(value).is_file()
        return {"bytes": Path(value).read_bytes(), "path": None} if there else value

    _parquet([row | {"image": inside(row.get("image"))} for row in rows], path)


FORMS: dict[str, list[tuple[str, Callable[..., None], dict[str, Any]]]] = {
    "plain": [
        ("csv", _delimited(","), {}),
        ("csv", _delimited(";"), {"sep": ";"}),
        ("csv", _delimited(",", csv.QUOTE_ALL, header=False), {"header": ["id", "text", "label", "note"]}),
        ("tsv", _delimited("\t", csv.QUOTE_NONE), {}),
        ("tsv", _delimited("\t"), {"quoting": "minimal"}),
        ("jsonl", _lines, {}),
        ("json", _records, {}),
        ("json", _columns, {}),
        ("json", _split, {}),
        ("parquet", _parquet, {}),
    ],
    "lists": [("jsonl", _lines, {}), ("json", _records, {}), ("parquet", _parquet, {})],
    "tags": [("conll", _conll("\t"), {}), ("conll", _conll(" "), {}), ("jsonl", _lines, {}), ("parquet", _parquet, {})],
    "questions": [("json", _squad, {}), ("jsonl", _lines, {}), ("parquet", _parquet, {})],
    "images": [("jsonl", _lines, {}), ("csv", _delimited(","), {}), ("parquet", _pictures, {})],
}


def _plain_tasks() -> list[Task]:
    names, columns = ["neg", "pos"], {"text": "text", "label": "label"}
    one, many = {"kind": "classification", **columns}, {"kind": "multi_label", **columns}
    return [
        ("plain", one, _sentences(24, lambda i: names[i % 2])),
        ("plain", one | {"id": "id"}, _sentences(24, lambda i: i % 3)),
        ("plain", one | {"label_names": ["1", "2", "3", "4", "5"]}, _sentences(24, lambda i: 1 + i % 4)),
        ("plain", one | {"label_names": names}, _sentences(24, lambda i: i % 2)),
        ("plain", {"kind": "regression", **columns}, _sentences(24, lambda i: i / 4)),
        ("plain", many | {"label_sep": "|"}, _sentences(24, lambda i: "a|b" if i % 2 else "c")),
        ("lists", many, _sentences(24, lambda i: ["a", "b"] if i % 2 else ["c"])),
        ("lists", many | {"label_names": ["a", "b", "c"]}, _sentences(24, lambda i: [1, 0, i % 2])),
    ]


def _other_tasks(pictures: list[Path]) -> list[Task]:
    question = {"kind": "question_answering", "text": ["question", "context"], "label": "answers", "id": "id"}
    windows = {"no_answer_threshold": 0.0, "max_length": 32, "stride": 4}
    shown = [{"image": str(path), "label": path.parent.name} for path in pictures]
    return [
        ("tags", {"kind": "token_classification", "text": "words", "label": "tags"}, _tagged(24)),
        ("questions", question | windows, _questions(24)),
        ("images", {"kind": "image_classification", "image": "image", "label": "label"}, shown),
    ]


def good_inputs(pictures: list[Path]) -> list[Good]:
    """Each kind in each of its forms."""
    return [
        Good(spec | settings, rows, write, f"{spec['kind']}.{suffix}")
        for forms, spec, rows in [*_plain_tasks(), *_other_tasks(pictures)]
        for suffix, write, settings in FORMS[forms]
    ]


def write(good: Good, folder: Path, rows: list[dict[str, Any]]) -> Path:
    suffix = good.name.rsplit(".")[-1]
    files = {name: folder / f"{name}.{suffix}" for name in ("train", "test")}
    good.write(good.rows, files["test"])
    good.write(rows, files["train"])
    spec = good.spec | {"files": {name: str(path) for name, path in files.items()}}
    (folder / "task.json").write_text(json.dumps(spec))
    return files["train"]
