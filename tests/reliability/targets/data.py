"""Files of rows of every form, for every kind of task: damaged as bytes, lines, trees and typed columns."""

from __future__ import annotations

import copy
import datetime
import decimal
import json
import random
from pathlib import Path
from typing import Any

from reliability.tables import WORDS, Good, good_inputs, write

NAME, COUNT = "data", 3000


def prepare(folder: Path) -> list[Good]:
    """Good inputs of every kind and form; they are read once, so that a case finds a fault of its own."""
    from conftest import write_images

    write_images(folder / "gallery", 12)
    goods = good_inputs(sorted((folder / "gallery").rglob("*.png")))
    for index, good in enumerate(goods):
        place = folder / "good" / str(index)
        place.mkdir(parents=True)
        write(good, place, good.rows)
        use(place)
    return goods


def use(folder: Path) -> None:
    """What ``axkit plan`` reads and shows; and the rows of test as a model is given them."""
    from axkit.recipe import Samples
    from axkit.tasks.kinds import KINDS
    from axkit.tasks.rows import load_rows
    from axkit.tasks.shown import shown_labels, shown_rows
    from axkit.tasks.spec import resolve
    from axkit.tasks.split import Split
    from axkit.testing import tiny_tokenizer

    task = resolve(json.loads((folder / "task.json").read_text()), lambda at: f"task.json, {'.'.join(map(str, at))}")
    rows = load_rows(task, Samples())
    shown = [*shown_rows(task.spec, rows), *shown_labels(task.spec, rows).values()]
    assert all("\n" not in line and len(line) < 2000 for line in shown)
    if task.spec.image is None:
        split = Split(rows.splits["train"], task.spec, KINDS[task.spec.kind], tiny_tokenizer(), 60)
        split.batch(range(min(4, len(split))))


def mutate(rng: random.Random, base: Any, folder: Path) -> str:
    """train and test of a good input, of which train, or test, or the task is damaged."""
    good: Good = rng.choice(base)
    way = rng.choices((_cells, _bytes, _text, _settings), (5, 3, 5, 2))[0]
    return f"{good.name}: {way(rng, good, folder)}"


# cells
ODD: tuple[Any, ...] = (
    *(None, "", " ", "\u00a0", "\u2028", "\x00", "\ufeff", "\ud800", "nan", "NaN", "None", "null", "NA", "-", "0", "1"),
    *(
        "1.0",
        "01",
        "-1",
        "1e3",
        "3,5",
        "1_0",
        "True",
        "false",
        "inf",
        "9" * 30,
        "9" * 5000,
        "é",
        "e\u0301",
        "a\nb",
        "a\rb",
    ),
    *(
        "a\tb",
        "a,b",
        "a;b",
        "a|b",
        '"',
        '""',
        '"a',
        'a"',
        "'",
        "#",
        "# a",
        "[",
        "[]",
        "['a', 'b']",
        "[1, 0, 1]",
        "[1 0]",
    ),
    *(
        "{'a': 1}",
        '{"a": 1}',
        "(1, 2)",
        "array(['a'], dtype=object)",
        "[[0, 3, 'PER']]",
        "neg ",
        "NEG",
        " pos",
        "B-PER",
        "O",
    ),
    *(0, 1, -1, 2, 5, 7, 10**10, 10**30, 10**400, -(10**20), 0.0, 1.0, 0.5, -0.0, 1e300, float("nan"), float("inf")),
    *(
        True,
        False,
        [],
        {},
        ["a"],
        [1],
        [None],
        [[]],
        [["a"]],
        ["a", 1],
        {"a": 1},
        [{"start": 0, "end": 3}],
        [0, 3, "PER"],
    ),
    *({"text": [], "answer_start": []}, {"text": "Ada", "answer_start": 4}, {"text": ["Ada"], "answer_start": [-4]}),
    *({"text": ["Ada"], "answer_start": ["4"]}, {"text": ["Ada"], "answer_start": [4.5]}, {"text": "Ada"}),
    *({"text": ["Ada"], "answer_start": [10**30]}, [{"text": "Ada", "answer_start": 4}], [{"text": None}]),
    *(
        "a" * 100_000,
        "word " * 30_000,
        ["w"] * 3000,
        ["a"] * 4,
        ["", "a"],
        [" ", "a"],
        [1, 2, 3, 4],
        ["O"] * 4,
        [0, 0, 0, 1],
    ),
    *(b"bytes", b"\xff\xfe", decimal.Decimal("1.50"), datetime.datetime(2026, 1, 2), datetime.date(2026, 1, 2)),
)


def _cells(rng: random.Random, good: Good, folder: Path) -> str:
    rows = copy.deepcopy(good.rows)
    said = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(rows[0])) if rows and rows[0] else "text"
        value = rng.choice(ODD)
        way = rng.choice(("one", "some", "all", "first", "drop", "rename", "double", "swap", "none", "inside"))
        chosen = range(len(rows)) if way == "all" else rng.sample(range(len(rows)), min(len(rows), rng.randint(1, 6)))
        if way in ("one", "some", "all"):
            for index in list(chosen)[: 1 if way == "one" else None]:
                rows[index][name] = value
        elif way == "first" and rows:
            rows[0][name] = value
        elif way == "drop":
            for row in rows if rng.random() < 0.5 else rows[:1]:
                row.pop(name, None)
        elif way == "rename":
            new = rng.choice(("", " ", name.upper(), f" {name}", "a\nb", "label", "text"))
            rows = [{(new if key == name else key): one for key, one in row.items()} for row in rows]
        elif way == "double":
            rows = rows + rows[: rng.randint(1, len(rows))] if rows else rows
        elif way == "swap" and rows:
            other = rng.choice(list(rows[0]) or [name])
            for row in rows:
                row[name], row[other] = row.get(other), row.get(name)
        elif way == "none":
            rows = rows[: rng.randint(0, 2)]
        elif way == "inside":
            for index in list(chosen)[:2]:
                inner = rows[index].get(name)
                if isinstance(inner, list) and inner:
                    inner[rng.randrange(len(inner))] = value
                elif isinstance(inner, dict):
                    inner[rng.choice([*inner, "new"])] = value
                elif isinstance(inner, str):
                    rows[index][name] = inner + str(value)
        said.append(f"{way} {name!r} {ascii(value)[:40]}")
        if not rows:
            break
    try:
        write(good, folder, rows)
    except (
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
        NotImplementedError,
    ) as error:  # this form cannot say it
        write(good, folder, good.rows)
        said.append(f"(not written: {error!r:.80})")
    return "; ".join(said)


# bytes
def _damaged(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    at = rng.randrange(len(data) or 1)
    way = rng.choice(("flip", "flips", "cut", "head", "insert", "delete", "zero", "double", "swap", "bom", "huge"))
    odd = (b"\x00", b"\xff", b"\r", b"\n", b'"', b"\t", b",", b"[", b"{", b"\xc3", b"\xed\xa0\x80", b"\x1a", b"\xe9")
    if way in ("flip", "flips"):
        changed = bytearray(data)
        for _ in range(1 if way == "flip" else rng.randint(2, 60)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed), way
    made = {
        "cut": lambda: data[:at],
        "head": lambda: data[at:],
        "insert": lambda: data[:at] + rng.choice(odd) * rng.choice((1, 1, 2, 50)) + data[at:],
        "delete": lambda: data[:at] + data[at + rng.randint(1, 40) :],
        "zero": lambda: data[:at] + b"\0" * rng.randint(1, 9) + data[at + 4 :],
        "double": lambda: data + data[at:],
        "swap": lambda: data[at:] + data[:at],
        "bom": lambda: rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf\xef\xbb\xbf")) + data,
        "huge": lambda: data[:at] + b"9" * rng.choice((400, 5000, 100_000)) + data[at:],
    }[way]()
    return made, f"{way} at {at}"


def _bytes(rng: random.Random, good: Good, folder: Path) -> str:
    path = write(good, folder, good.rows)
    path = path if rng.random() < 0.8 else path.with_stem("test")
    data, said = path.read_bytes(), ""
    for _ in range(rng.choice((1, 1, 2))):
        data, one = _damaged(rng, data or b"x")
        said += f" {one}"
    path.write_bytes(data)
    return f"{path.name}{said}"


# text
def _text(rng: random.Random, good: Good, folder: Path) -> str:
    path = write(good, folder, good.rows)
    if path.suffix == ".parquet":
        return _columns_of_parquet(rng, good, path)
    text = path.read_text(encoding="utf-8")
    way = rng.choice(("encoding", "ends", "lines", "tokens", "nesting", "quotes", "long", "columns", "blank", "other"))
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    encoding = "utf-8"
    if way == "encoding":
        encoding = rng.choice(("utf-16", "utf-32", "cp1252", "utf-16-le", "utf-8-sig", "shift-jis"))
        text = text.replace("e", "\u00e9" if encoding != "shift-jis" else "\u3042", 3)
    elif way == "ends":
        text = text.replace("\n", rng.choice(("\r\n", "\r", "\n\r", "\n\n", "\u2028", "\x0b", "\x0c", "\x85", " ")))
    elif way == "lines":
        some = rng.choice(
            ([lines[at]] * rng.randint(2, 300), [], lines[::-1], [""], ["null"], ["x"], ["[]"], ["{}"], ["#"])
        )
        lines[at : at + 1] = some
        text = "\n".join(lines)
    elif way == "tokens":
        for _ in range(rng.randint(1, 4)):
            old = rng.choice(
                (*WORDS, '"', ",", ":", "[", "]", "{", "}", "\t", " ", "null", "1", "0", "O", "NN", "id", "text")
            )
            new = rng.choice(
                ('"', "\\", "\\u0000", "\\ud800", "NaN", "Infinity", "-", "1e999", "null", "true", "\t", ",", "")
            )
            text = text.replace(old, new, rng.choice((1, 1, 2, 1000)))
    elif way == "nesting":
        deep = rng.choice((50, 101, 990, 5000, 100_000))
        mark = rng.choice(("[", '{"a":', "[{"))
        value = mark * deep + rng.choice(("", "1" + {"[": "]", '{"a":': "}", "[{": "}]"}[mark] * deep))
        text = rng.choice(
            (value, text.replace("null", value, 1), text.replace('"label"', f'"deep": {value}, "label"', 1))
        )
    elif way == "quotes":
        lines[at] = rng.choice(('"', "'", '""', '"""', "`", "\u201c")) + lines[at] + rng.choice(("", '"', '"x'))
        text = "\n".join(lines)
    elif way == "long":
        lines[at] += rng.choice(("x", " ", ",", "\t", '"', "\\")) * rng.choice((200_000, 3_000_000))
        text = "\n".join(lines)
    elif way == "columns":
        sep = rng.choice((",", "\t", ";", " "))
        text = "\n".join(sep.join(line.split(sep)[:: rng.choice((-1, 2))]) for line in lines)
    elif way == "blank":
        text = rng.choice(
            ("", "\n", " \n \n", "\ufeff", "\t", "\r", "{}", "[]", "null", '""', "0", lines[0], "sep=;\n" + text)
        )
    else:
        other = rng.choice((".csv", ".tsv", ".json", ".jsonl", ".conll", ".parquet"))
        path = path.rename(path.with_suffix(other))
        spec = json.loads((folder / "task.json").read_text())
        spec["files"]["train"] = str(path)
        (folder / "task.json").write_text(json.dumps(spec))
    path.write_bytes(text.encode(encoding, "replace"))
    return f"{path.name} {way}"


def _columns_of_parquet(rng: random.Random, good: Good, path: Path) -> str:
    """A column as another type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    name = rng.choice(table.column_names)
    count = table.num_rows
    texts = [f"word {i % 3}" for i in range(count)]
    made = {
        "category": lambda: pa.array(texts).dictionary_encode(),
        "binary": lambda: pa.array([text.encode() for text in texts]),
        "not utf-8": lambda: pa.array([b"\xff" + text.encode() for text in texts]),
        "false utf-8": lambda: pa.array([b"\xff" + text.encode() for text in texts]).view(pa.string()),
        "timestamp": lambda: pa.array([datetime.datetime(2026, 1, 1 + i % 3) for i in range(count)]),
        "date": lambda: pa.array([datetime.date(2026, 1, 1 + i % 3) for i in range(count)]),
        "decimal": lambda: pa.array([decimal.Decimal(i % 3) for i in range(count)]),
        "struct": lambda: pa.array([{"a": i} for i in range(count)]),
        "map": lambda: pa.array([[("a", i)] for i in range(count)], pa.map_(pa.string(), pa.int64())),
        "lists": lambda: pa.array([[i % 2, 1] for i in range(count)]),
        "fixed lists": lambda: pa.array([[i % 2, 1] for i in range(count)], pa.list_(pa.int64(), 2)),
        "deep": lambda: pa.array([[[[i]]] for i in range(count)]),
        "null": lambda: pa.nulls(count),
        "bool": lambda: pa.array([bool(i % 2) for i in range(count)]),
        "float": lambda: pa.array([float(i % 2) for i in range(count)]),
        "half": lambda: pa.array([float(i % 2) for i in range(count)]).cast(pa.float16()),
        "nan": lambda: pa.array([float("nan")] * count),
        "int8": lambda: pa.array([i % 2 for i in range(count)], pa.int8()),
        "uint64": lambda: pa.array([2**64 - 1 - i % 2 for i in range(count)], pa.uint64()),
        "large text": lambda: pa.array(texts, pa.large_string()),
        "view": lambda: pa.array(texts).cast(pa.string_view()),
        "duration": lambda: pa.array([datetime.timedelta(i) for i in range(count)]),
    }
    way = rng.choice(list(made))
    place = table.column_names.index(name)
    table = table.set_column(place, name, made[way]())
    if rng.random() < 0.1:
        table = table.append_column(name, table.column(name))
    pq.write_table(table, path, row_group_size=rng.choice((5, 100)), compression=rng.choice(("snappy", "none", "gzip")))
    return f"{path.name}: '{name}' is {way}"


# settings
def _settings(rng: random.Random, good: Good, folder: Path) -> str:
    path = write(good, folder, good.rows)
    spec = json.loads((folder / "task.json").read_text())
    name, values = rng.choice(
        (
            ("sep", (",", "\t", ";", " ", "a", "", "ab", "\\t", "é", "\n", '"', 5)),
            ("quoting", ("none", "minimal", "all", None, 0)),
            (
                "header",
                (True, False, [], ["text", "label"], ["a", "a"], list(spec)[:4], ["id", "text", "label", "note"], "x"),
            ),
            ("label_sep", ("|", "", " ", ",", None)),
            (
                "label_names",
                ([], ["a"], ["neg", "pos"], ["a", "A"], ["", "b"], ["0", "1", "2"], ["1.0", "2"], ["O"], ["x"] * 2),
            ),
            ("text", ("label", "nothing", ["text", "text"], ["text", "label"], "id", "words", "tags", "")),
            ("label", ("text", "nothing", ["label", "id"], "note", "id", "words", "")),
            ("id", ("label", "note", "nothing", "text", None)),
            ("kind", ("classification", "regression", "multi_label", "token_classification", "question_answering")),
            ("metric", ("accuracy", "f1", "entity_f1", "token_accuracy", "pearson", ["f1_micro", "exact"])),
            ("max_length", (8, 16, 0, 10**9)),
            ("files", ({"train": [str(path)] * 2, "test": str(path)}, {"train": str(folder), "test": str(path)}, {})),
        )
    )
    spec[name] = rng.choice(values)
    (folder / "task.json").write_text(json.dumps(spec))
    return f"{name}: {ascii(spec[name])[:60]}"
