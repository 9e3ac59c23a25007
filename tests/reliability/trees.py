"""JSON trees, spoiled at one place."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 10**6, 10**9, 10**18, 10**40, -(10**9), 0.5, 1e300, -0.0, 1e-300),
    *(
        "",
        " ",
        "x",
        "0",
        "-1",
        "true",
        "null",
        "NaN",
        "../..",
        "/dev/zero",
        "a\nb",
        "\u0000",
        "\ud800",
        "é",
        "x" * 3000,
    ),
    *([], {}, [[]], [{}], {"": None}, [None], [0], ["x"], {"x": {"y": {"z": []}}}, [[[[[[[[]]]]]]]]),
)


def spoil_tree(rng: random.Random, tree: Any) -> tuple[Any, str]:
    """A copy with one place changed, and what was done."""
    tree = copy.deepcopy(tree)
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            places.append((one, key))
            waiting.append(one[key])
    if not places or rng.random() < 0.02:
        return rng.choice(JUNK), "the whole"
    top = [place for place in places if place[0] is tree]
    holder, key = rng.choice(top if rng.random() < 0.5 else places)
    way = rng.choices(("junk", "gone", "more", "text", "number"), (6, 2, 1, 1, 2))[0]
    value = holder[key]
    if way == "gone":
        del holder[key]
    elif way == "more" and isinstance(holder, dict):
        holder[str(rng.choice(JUNK))[:50]] = value
    elif way == "text":
        holder[key] = json.dumps(value)[:5000]
    elif way == "number" and type(value) in (int, float):
        holder[key] = rng.choice((value + 1, value - 1, -value, value * 2, value * 1000, float(value), value // 2))
    else:
        holder[key] = rng.choice(JUNK)
        return tree, f"{key!s:.60} = {holder[key]!r:.60}"
    return tree, f"{way} at {key!s:.60}"


def at_random(rng: random.Random, tree: Any) -> str:
    """As JSON, with or without escapes and indents."""
    text = json.dumps(tree, indent=rng.choice((None, 2)))
    return text if rng.random() < 0.9 else json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace").decode()
