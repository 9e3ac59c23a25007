"""Recipes, ``--set`` values and task files: good ones, damaged as bytes, as words and lines, and as trees."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME, COUNT = "recipes", 6000

PLAIN = """\
# what a user writes
axkit: 1
name: plain
model: {base}/model
task:
  kind: classification
  files: {{train: {base}/train.jsonl, test: {base}/test.jsonl}}
  text: sentence
  label: label
seed: 42
samples: {{train: 20, search: 5}}
passes:
  - pass: finetune
    epochs: 2
    learning_rate: 3e-3
    freeze: embeddings
  - pass: drop_layers
    keep: [0, 2]
  - pass: axformer_prune
    objective: budget
    speedup: 2.5
    max_drop: 3.0
    recover: {{pass: distill, epochs: 0.5}}
  - pass: int8
    budget: {{max_drop: 0.5}}
"""
MERGED = """\
axkit: 1
name: merged
model: {base}/model
task: &task
  kind: classification
  files: {{train: {base}/train.jsonl, test: {base}/test.jsonl}}
  text: sentence
  label: label
passes:
  - &base {{pass: finetune, epochs: 1}}
  - <<: *base
    learning_rate: 1.0e-4
  - {{<<: [*base], epochs: 0x2}}
  - pass: hard_attention
    k: 5
"""
NAMED = """\
axkit: 1
name: "named"
model: 'embedded:distilbert'
task: embedded:movie-reviews
passes:
- pass: finetune
  epochs: 1
- pass: q8bert
- pass: int8
"""
TASK = """\
kind: classification
files:
  train: {base}/train.jsonl
  test: {base}/test.jsonl
text: [sentence]
label: label
label_names: [bad, good]
metric: [accuracy, f1]
max_length: 64
"""
SETTINGS = ("passes.0.epochs=1", "samples.train=12", "seed=7", "model={base}/model", "task=glue/sst2", "name=other")


def prepare(folder: Path) -> dict[str, Any]:
    """A model and rows beside the texts that name them."""
    from conftest import write_base_model, write_rows

    write_base_model(folder / "model")
    write_rows(folder / "train.jsonl", 40, 1)
    write_rows(folder / "test.jsonl", 20, 2)
    here = {"base": str(folder)}
    return {
        "recipes": [text.format(**here) for text in (PLAIN, MERGED, NAMED)],
        "task": TASK.format(**here),
        "settings": [one.format(**here) for one in SETTINGS],
    }


def mutate(rng: random.Random, base: Any, folder: Path) -> str:
    """recipe.yaml, and perhaps settings.json (of ``--set``) and task.yaml."""
    text = rng.choice(base["recipes"])
    what = rng.choices(("recipe", "settings", "task"), (8, 2, 2))[0]
    if what == "settings":
        settings = [_setting(rng, base) for _ in range(rng.randint(1, 2))]
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        return f"--set {' --set '.join(ascii(one)[:200] for one in settings)}"
    path = folder / f"{what}.yaml"
    if what == "task":
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        text = base["task"]
    way = rng.choices((_bytes, _tokens, _tree, _whole), (2, 5, 4, 2))[0]
    return f"{path.name}: {way(rng, text, path)}"


def use(folder: Path) -> None:
    """Plan it, as ``axkit plan`` and ``axkit sweep --task`` do."""
    from axkit.planning import plan
    from axkit.recipe import load_source
    from axkit.sweep.plan import _read_task

    settings = folder / "settings.json"
    overrides = json.loads(settings.read_text()) if settings.exists() else []
    if os.path.lexists(folder / "task.yaml"):
        overrides += _read_task(str(folder / "task.yaml")).override
    made = plan(load_source(folder / "recipe.yaml", overrides))
    assert made.steps


# what a scalar may be replaced by
SCALARS = (
    *("~", "null", "yes", "No", "on", "''", '""', "' '", "0", "-0", "-1", "1e999", "-1e999", "1e-999", ".nan", ".inf"),
    *(
        "-.INF",
        "0x1F",
        "0o17",
        "017",
        "0b101",
        "1_000",
        "190:20:30",
        "1:1",
        "1.5",
        "1e3",
        "+1",
        "9" * 30,
        "0x" + "f" * 400,
    ),
    *(
        "2026-01-01",
        "2026-01-01T10:00:00Z",
        "2026-13-45",
        "2026-02-30 25:61:61",
        "=",
        "<<",
        "*",
        "&",
        "*base",
        "*nothing",
    ),
    *(
        "&a",
        "&a [*a]",
        "&a {x: *a}",
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "!!int x",
        "!!float x",
    ),
    *(
        "!!bool maybe",
        "!!null x",
        "!!timestamp x",
        "!!timestamp 2026-13-45",
        "!!binary '***'",
        "!!binary aGFsbG8=",
        "!!str 5",
    ),
    *("!!omap [a: 1]", "!!omap [1]", "!!omap {a: 1}", "!!set {a, b}", "!!set [a]", "!!pairs [a: 1, a: 2]", "!!map [1]"),
    *("!!seq {a: 1}", "!mine 5", "!mine {a: 1}", "!mine [1]", "! x", "!!", "!<tag:yaml.org,2002:str> 3", "!e!x 1"),
    *(
        "[",
        "]",
        "{",
        "}",
        "[]",
        "{}",
        "[[]]",
        "{a: {b: {c: d}}}",
        "[a, [b, [c]]]",
        "- x",
        "? x",
        ": x",
        "x: y: z",
        "|",
        ">",
    ),
    *(
        "|\n  text",
        ">-\n  text\n",
        "'open",
        '"open',
        '"\\x"',
        '"\\ud800"',
        '"\\0"',
        "%",
        "@",
        "`",
        "#",
        "---",
        "...",
        "\t",
    ),
    *(
        "é",
        "\u2028",
        "\ufeff",
        "\u200b",
        "😀",
        "\x07",
        "\x85",
        "\x00",
        "nan",
        "../../etc/passwd",
        "/dev/zero",
        "C:\\x",
        "a" * 5000,
    ),
    *(
        "a b",
        "a\\nb",
        "{? [a, b] : c}",
        "{[a]: b}",
        "{1: 2}",
        "{null: 1}",
        "{1.5: a, true: b}",
        "[1, 2",
        "{a: 1, a: 2}",
    ),
    *(
        "9" * 5000,
        "1" + "e" + "9" * 30,
        "0." + "3" * 4000,
        "-" * 300,
        "[" * 60 + "]" * 60,
        "[" * 3000,
        "{a: " * 3000,
        "x.y",
    ),
)
MARKS = (
    "\t",
    "\n",
    " ",
    ":",
    "-",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "&",
    "*",
    "!",
    "|",
    ">",
    "'",
    '"',
    "%",
    "@",
    "?",
    "<<: ",
    "---\n",
)
BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\r",
    b"\x1b",
    b"\xe2\x80\xa8",
    b"\x85",
)


def _bytes(rng: random.Random, text: str, path: Path) -> str:
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


def _tokens(rng: random.Random, text: str, path: Path) -> str:
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


def _tree(rng: random.Random, text: str, path: Path) -> str:
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


def _bomb(width: int, depth: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


def _whole(rng: random.Random, text: str, path: Path) -> str:
    kind = rng.choice(sorted(_WHOLE))
    made = _WHOLE[kind](text)
    if isinstance(made, bytes):
        path.write_bytes(made)
    elif callable(made):
        made(path)
    return kind


def _linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


_WHOLE: dict[str, Callable[[str], Any]] = {
    "alias bomb of lists": lambda text: (_bomb(9, 12) + text).encode(),
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


def _setting(rng: random.Random, base: Any) -> str:
    path, _, value = rng.choice(base["settings"]).partition("=")
    kind = rng.choice(("value", "value", "value", "path", "both", "bytes"))
    odd = (
        "passes.9.epochs",
        "passes.-1.x",
        "passes",
        "passes.0",
        "passes.x.y",
        "",
        ".",
        "..",
        "a",
        "axkit.b.c",
        "name.x.y",
    )
    odd += (
        "passes.0.recover.epochs",
        "task.files.train",
        "task.kind",
        "é.ü",
        "passes.٣.epochs",
        "passes.²",
        "x" * 3000,
        "a\nb",
        "<<",
    )
    odd += (
        "passes.1.keep.0",
        "samples",
        "model",
        "task",
        ".".join("abc" * 300),
        "passes.00.epochs",
        "passes.1e0.epochs",
    )
    if kind in ("path", "both"):
        path = rng.choice(odd)
    if kind in ("value", "both"):
        value = rng.choice((*SCALARS, "[" * 100_000, _bomb(9, 12), "a: &a [*a]", "---\na\n---\nb", "9" * 100_000))
    if kind == "bytes":
        return rng.choice(
            ("a", "=", "==", "a=", "=a", "passes.0.epochs", "\x00=1", "name=\x00", "name=a\nb", "model=\ud800")
        )
    return f"{path}={value}"
