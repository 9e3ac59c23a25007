"""Cells, columns and rows that are odd: of another type, missing, renamed, doubled, exchanged."""

from __future__ import annotations

import copy
import datetime
import decimal
import random
from pathlib import Path
from typing import Any

from reliability.tables import Good, write

Row = dict[str, Any]
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


def spoil_cells(rng: random.Random, good: Good, folder: Path) -> str:
    """Rows of train changed, and written in the form of the good ones, where it can say them."""
    rows = copy.deepcopy(good.rows)
    said = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(rows[0])) if rows and rows[0] else "text"
        value = rng.choice(ODD)
        way = rng.choice(("one", "some", "all", "first", "drop", "rename", "double", "swap", "none", "inside"))
        rows = _changed(rng, way, rows, name, value)
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


def _changed(rng: random.Random, way: str, rows: list[Row], name: str, value: Any) -> list[Row]:
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
            _change_inside(rng, rows[index], name, value)
    return rows


def _change_inside(rng: random.Random, row: Row, name: str, value: Any) -> None:
    inner = row.get(name)
    if isinstance(inner, list) and inner:
        inner[rng.randrange(len(inner))] = value
    elif isinstance(inner, dict):
        inner[rng.choice([*inner, "new"])] = value
    elif isinstance(inner, str):
        row[name] = inner + str(value)
