"""Ways to damage a file of rows: its bytes, and its text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from reliability.spoil_columns import spoil_columns
from reliability.tables import WORDS, Good, write


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


def spoil_bytes(rng: random.Random, good: Good, folder: Path) -> str:
    """Of train, or of test."""
    path = write(good, folder, good.rows)
    path = path if rng.random() < 0.8 else path.with_stem("test")
    data, said = path.read_bytes(), ""
    for _ in range(rng.choice((1, 1, 2))):
        data, one = _damaged(rng, data or b"x")
        said += f" {one}"
    path.write_bytes(data)
    return f"{path.name}{said}"


def _ends(rng: random.Random, lines: list[str], at: int) -> str:
    return rng.choice(("\r\n", "\r", "\n\r", "\n\n", "\u2028", "\x0b", "\x0c", "\x85", " ")).join(lines)


def _lines(rng: random.Random, lines: list[str], at: int) -> str:
    some = rng.choice(
        ([lines[at]] * rng.randint(2, 300), [], lines[::-1], [""], ["null"], ["x"], ["[]"], ["{}"], ["#"])
    )
    lines[at : at + 1] = some
    return "\n".join(lines)


def _tokens(rng: random.Random, lines: list[str], at: int) -> str:
    text = "\n".join(lines)
    for _ in range(rng.randint(1, 4)):
        old = rng.choice(
            (*WORDS, '"', ",", ":", "[", "]", "{", "}", "\t", " ", "null", "1", "0", "O", "NN", "id", "text")
        )
        new = rng.choice(
            ('"', "\\", "\\u0000", "\\ud800", "NaN", "Infinity", "-", "1e999", "null", "true", "\t", ",", "")
        )
        text = text.replace(old, new, rng.choice((1, 1, 2, 1000)))
    return text


def _nesting(rng: random.Random, lines: list[str], at: int) -> str:
    text = "\n".join(lines)
    deep = rng.choice((50, 101, 990, 5000, 100_000))
    mark = rng.choice(("[", '{"a":', "[{"))
    value = mark * deep + rng.choice(("", "1" + {"[": "]", '{"a":': "}", "[{": "}]"}[mark] * deep))
    return rng.choice((value, text.replace("null", value, 1), text.replace('"label"', f'"deep": {value}, "label"', 1)))


def _quotes(rng: random.Random, lines: list[str], at: int) -> str:
    lines[at] = rng.choice(('"', "'", '""', '"""', "`", "\u201c")) + lines[at] + rng.choice(("", '"', '"x'))
    return "\n".join(lines)


def _long(rng: random.Random, lines: list[str], at: int) -> str:
    lines[at] += rng.choice(("x", " ", ",", "\t", '"', "\\")) * rng.choice((200_000, 3_000_000))
    return "\n".join(lines)


def _columns(rng: random.Random, lines: list[str], at: int) -> str:
    sep = rng.choice((",", "\t", ";", " "))
    return "\n".join(sep.join(line.split(sep)[:: rng.choice((-1, 2))]) for line in lines)


def _blank(rng: random.Random, lines: list[str], at: int) -> str:
    text = "\n".join(lines)
    return rng.choice(
        ("", "\n", " \n \n", "\ufeff", "\t", "\r", "{}", "[]", "null", '""', "0", lines[0], "sep=;\n" + text)
    )


_EDITS: dict[str, Callable[[random.Random, list[str], int], str]] = {
    "ends": _ends,
    "lines": _lines,
    "tokens": _tokens,
    "nesting": _nesting,
    "quotes": _quotes,
    "long": _long,
    "columns": _columns,
    "blank": _blank,
}


def spoil_text(rng: random.Random, good: Good, folder: Path) -> str:
    """Of train: its lines and words, or how it is encoded, or what it is called; the columns of a Parquet file."""
    path = write(good, folder, good.rows)
    if path.suffix == ".parquet":
        return spoil_columns(rng, path)
    text, encoding = path.read_text(encoding="utf-8"), "utf-8"
    way = rng.choice(("encoding", *_EDITS, "other"))
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    if way == "encoding":
        encoding = rng.choice(("utf-16", "utf-32", "cp1252", "utf-16-le", "utf-8-sig", "shift-jis"))
        text = text.replace("e", "\u00e9" if encoding != "shift-jis" else "\u3042", 3)
    elif way == "other":
        path = _renamed(rng, path)
    else:
        text = _EDITS[way](rng, lines, at)
    path.write_bytes(text.encode(encoding, "replace"))
    return f"{path.name} {way}"


def _renamed(rng: random.Random, path: Path) -> Path:
    """As a file of another form, which the task names."""
    other = rng.choice((".csv", ".tsv", ".json", ".jsonl", ".conll", ".parquet"))
    path, task = path.rename(path.with_suffix(other)), path.with_name("task.json")
    spec = json.loads(task.read_text())
    spec["files"]["train"] = str(path)
    task.write_text(json.dumps(spec))
    return path
