"""Ways to damage a text of YAML: its bytes, its words and lines, and the tree that it is read into."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reliability.yaml_words import BYTES, MARKS, SCALARS


def spoil_bytes(rng: random.Random, text: str, path: Path) -> str:
    """Bits, bytes and stretches of bytes."""
    raw = bytearray(text.encode())
    done = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(raw) + 1) if raw else 0
        kind = rng.choice(("flip", "insert", "delete", "cut", "double"))
        end = min(len(raw), at + rng.randint(1, 40))
        if kind == "flip" and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == "insert":
            raw[at:at] = rng.choice((*BYTES, rng.randbytes(3), rng.choice(MARKS).encode()))
        elif kind == "delete":
            del raw[at:end]
        elif kind == "cut":
            del raw[at:]
        else:
            raw[at:at] = raw[at:end]
        done.append(f"{kind} at {at}")
    path.write_bytes(bytes(raw))
    return ", ".join(done)


def spoil_words(rng: random.Random, text: str, path: Path) -> str:
    """Values, keys, lines and marks."""
    lines = text.split("\n")
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        line = lines[at]
        key, colon, value = line.partition(": ")
        kind = rng.choice(("value", "value", "value", "key", "indent", "double", "drop", "swap", "mark", "before"))
        new = rng.choice(SCALARS)
        if kind == "value":
            lines[at] = f"{key}: {new}" if colon else f"{line} {new}"
            if colon and rng.random() < 0.3:
                lines[at] = f"{key}: {rng.choice(('&x', '!!str', '!!int', '!mine', '!!set', '!!omap'))} {value}"
        elif kind == "key":
            lines[at] = f"{' ' * (len(key) - len(key.lstrip()))}{new}: {value}"
        elif kind == "indent":
            lines[at] = rng.choice(("\t", " ", "  ", "      ", "- ")) + line if rng.random() < 0.7 else line[1:]
        elif kind == "double":
            lines.insert(rng.randrange(len(lines) + 1), line)
        elif kind == "drop":
            del lines[at]
            lines = lines or [""]
        elif kind == "swap":
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == "mark":
            place = rng.randrange(len(line) + 1)
            lines[at] = line[:place] + rng.choice(MARKS) + line[place:]
        else:
            lines.insert(at, new)
        done.append(f"{kind} in line {at + 1} ({ascii(new)[:40]})")
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    return ", ".join(done)


VALUES: tuple[Callable[[], Any], ...] = (
    *(lambda v=v: v for v in (None, True, -1, 0, 2**31, 2**64, 10**400, 0.5, float("nan"), float("inf"), "", " ", "x")),
    *(
        lambda v=v: v
        for v in ("\x00", "a\nb", "~", "../..", "x" * 100_000, "é\u2028", "\ud800", "None", "1", "1e3", ":", "a:b")
    ),
    *(
        lambda v=v: v
        for v in ("embedded:distilbert", "glue/sst2", "int8", "hub:x:y", "https://example.org/x", "file:///etc")
    ),
    *(list, dict, lambda: [[]], lambda: {"": {}}, lambda: {"a": 1}, lambda: [None], lambda: {"pass": "int8"}),
    *(
        lambda: {"<<": 1},
        lambda: _nested(100),
        lambda: _nested(400),
        lambda: list(range(3000)),
        lambda: {str(i): i for i in range(2000)},
    ),
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def _nodes(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(path for key, value in inner for path in _nodes(value, (*at, key)))]


def spoil_tree(rng: random.Random, text: str, path: Path) -> str:
    """Values replaced, removed, added and copied; written as YAML or JSON."""
    from ruamel.yaml import YAML

    tree = json.loads(json.dumps(YAML(typ="safe").load(text)))
    done = []
    for _ in range(rng.choice((1, 1, 2))):
        places = [place for place in _nodes(tree) if place]
        if not places:
            break
        place = rng.choice(places)
        holder = tree
        for key in place[:-1]:
            holder = holder[key]
        value = rng.choice(VALUES)()
        kind = rng.choice(("replace", "replace", "replace", "remove", "add", "copy"))
        if kind == "remove":
            del holder[place[-1]]
        elif kind == "replace":
            holder[place[-1]] = value
        elif isinstance(holder, list):
            holder.insert(place[-1], value if kind == "add" else json.loads(json.dumps(holder[place[-1]])))
        else:
            name = rng.choice(("", "x", "epoch", "1", "pass", "__class__", "model_config", "budget", "<<", "a.b", "é"))
            holder[name] = value if kind == "add" else holder[place[-1]]
        done.append(f"{kind} {'.'.join(map(str, place))} ({ascii(value)[:40]})")
    _dump(rng, tree, path)
    return ", ".join(done)


def _dump(rng: random.Random, tree: Any, path: Path) -> None:
    if rng.random() < 0.4:
        path.write_text(
            json.dumps(tree, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5),
            encoding="utf-8",
            errors="surrogatepass",
        )
        return
    from ruamel.yaml import YAML

    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = rng.choice((False, True, None))
    try:
        yaml.dump(tree, out)
    except RecursionError:  # the writer's own depth
        out = io.StringIO(json.dumps(tree))
    path.write_text(out.getvalue(), encoding="utf-8", errors="surrogatepass")
