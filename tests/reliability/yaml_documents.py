"""Documents of YAML that are odd as a whole: bombs, encodings, sizes, depths, and paths that are no file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any


def bomb(width: int, depth: int) -> str:
    """Lists of aliases of lists: ``width`` to the power of ``depth`` items in a few lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


def put_document(rng: random.Random, text: str, path: Path) -> str:
    """One of them, mostly made from a good text."""
    kind = rng.choice(sorted(_DOCUMENTS))
    made = _DOCUMENTS[kind](text)
    if isinstance(made, bytes):
        path.write_bytes(made)
    elif callable(made):
        made(path)
    return kind


def _linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


_DOCUMENTS: dict[str, Callable[[str], Any]] = {
    "alias bomb of lists": lambda text: (bomb(9, 12) + text).encode(),
    "alias bomb of mappings": lambda text: (
        "\n".join(["m0: &m0 {x: 1}", *(f"m{n}: &m{n} {{a: *m{n - 1}, b: *m{n - 1}}}" for n in range(1, 40))])
        + "\n"
        + text
    ).encode(),
    "merge bomb": lambda text: (
        "\n".join(["m0: &m0 {x: 1}", *(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: 1}}" for n in range(1, 40))])
        + "\n"
        + text
    ).encode(),
    "recursion": lambda text: (text + "again: &a {b: [*a]}\n").encode(),
    "merge of itself": lambda text: (text + "again: &a {<<: *a, b: 1}\n").encode(),
    "two documents": lambda text: (text + "---\n" + text).encode(),
    "a document's end": lambda text: (text + "...\nrest\n").encode(),
    "a directive": lambda text: ("%YAML 1.1\n%TAG ! tag:x,2000:\n---\n" + text).encode(),
    "YAML 3.0": lambda text: ("%YAML 3.0\n---\n" + text).encode(),
    "empty": lambda text: b"",
    "comments only": lambda text: b"# nothing\n\n# here\n",
    "a scalar": lambda text: b"hello\n",
    "a list": lambda text: b"- axkit: 1\n- name: x\n",
    "a number": lambda text: b"1e999\n",
    "null": lambda text: b"~\n",
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, no mark": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Latin-1": lambda text: text.replace("# what", "# \xe9").encode("latin-1") + b"# \xe9\n",
    "line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "line ends of old": lambda text: text.replace("\n", "\r").encode(),
    "tabs": lambda text: text.replace("  ", "\t").encode(),
    "two megabytes of comment": lambda text: (text + "# x\n" * 500_000).encode(),
    "much comment": lambda text: (text + "# x\n" * 60_000).encode(),
    "a megabyte of keys": lambda text: (text + "".join(f"key{n}: {n}\n" for n in range(60_000))).encode(),
    "many keys": lambda text: (text + "".join(f"key{n}: {n}\n" for n in range(15_000))).encode(),
    "many items": lambda text: (text + "x: [" + "a, " * 60_000 + "]").encode(),
    "a megabyte on one line": lambda text: (text + "x: " + "y" * 1_000_000).encode(),
    "much on one line": lambda text: (text + "x: " + "y " * 120_000).encode(),
    "a long tag": lambda text: (text + "x: !" + "y" * 200_000 + " 1\n").encode(),
    "a long anchor": lambda text: (text + "x: &" + "y" * 200_000 + " 1\n").encode(),
    "empty lines": lambda text: (text + "\n" * 240_000 + "x: 1\n").encode(),
    "a deep list": lambda text: (text + "deep: " + "[" * 120 + "]" * 120 + "\n").encode(),
    "a very deep list": lambda text: (text + "deep: " + "[" * 100_000).encode(),
    "a deep block": lambda text: (text + "deep:\n" + "".join(" " * n + "a:\n" for n in range(1, 200))).encode(),
    "a deep block of dashes": lambda text: (text + "deep:\n  " + "- " * 5000 + "x\n").encode(),
    "questions": lambda text: (text + "? " * 5000 + "x\n").encode(),
    "many anchors": lambda text: (text + "many: [" + ", ".join(f"&a{n} x" for n in range(5000)) + "]\n").encode(),
    "many digits": lambda text: (text + "seed2: " + "9" * 20_000 + "\n").encode(),
    "hexadecimal digits": lambda text: (text + "seed2: 0x" + "f" * 200_000 + "\n").encode(),
    "sexagesimals": lambda text: (text + "seed2: " + ":".join(["59"] * 3000) + "\n").encode(),
    "the same key": lambda text: (text + "seed: 1\nseed: 2\n").encode(),
    "nothing": lambda text: lambda path: None,
    "a folder": lambda text: lambda path: path.mkdir(),
    "a FIFO": lambda text: lambda path: os.mkfifo(path),
    "/dev/zero": lambda text: _linked("/dev/zero"),
    "/dev/null": lambda text: _linked("/dev/null"),
    "/proc/self/mem": lambda text: _linked("/proc/self/mem"),
    "a link to itself": lambda text: _linked("recipe.yaml"),
    "a link to nowhere": lambda text: _linked("/nowhere/at/all.yaml"),
    "random bytes": lambda text: random.Random(text).randbytes(3000),
}
