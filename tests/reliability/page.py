"""Writes docs/reliability.md from docs/reliability.json, where full runs leave their figures.

    PYTHONPATH=tests python -m reliability.page

docs/reliability.json has a part for each kind of run. "fuzz": {target: figures of ``fuzz.figures``, where they come
from}; "faults": {fault: {"tries": int, "held": int, "note": str}, where they come from}. ``keep`` writes both files.
"""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axkit.ground.processor import Processor

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
_PACKAGES = ("axkit", "torch", "transformers", "datasets", "ruamel.yaml", "safetensors")


def keep(part: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the figures of a run into the file and write the page; figures of the same name are replaced.

    Args:
        part: "fuzz", "faults", ...
        found: name of a target or fault -> its figures.
    """
    known = read()
    for name, one in found.items():
        known.setdefault(part, {})[name] = {**one, **_where()}
    FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def read() -> dict[str, dict[str, dict[str, Any]]]:
    """What the runs have left."""
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}


def _where() -> dict[str, Any]:
    """Date, processor and versions of a run."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": Processor.here().name,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def page() -> str:
    """The whole page."""
    known = read()
    lines = [*_INTRODUCTION]
    if known.get("fuzz"):
        lines += ["", "## Damaged inputs", "", *_FUZZ, "", *_fuzz(known["fuzz"])]
    if known.get("faults"):
        lines += ["", "## Faults of machine and plugin", "", *_FAULTS, "", *_faults(known["faults"])]
    runs = [one for part in known.values() for one in part.values()]
    return "\n".join([*lines, "", "## Where these figures come from", "", *_origins(runs), ""])


_INTRODUCTION = [
    "# Reliability",
    "",
    "Written by the runs themselves (`make fuzz`, `make faults`) from `docs/reliability.json`; a test holds the page",
    "to that file.",
]
_FUZZ = [
    "Good inputs are damaged at random, byte by byte, word by word and in their structure, and used as a user would",
    "(`tests/reliability/targets`). *Read*: it worked. *Refused*: one sentence a fault that names the place. Nothing",
    "else may happen. A hang is a case of over 5 seconds; outside is a file that appeared beside the case's folder.",
]
_FAULTS = [
    "Each fault is made while a run goes on, and the run is started again where it ended",
    "(`tests/reliability/faults.py`). *Held*: the end is as without the fault, or one sentence told it and nothing",
    "finished was lost.",
]


def _fuzz(targets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    head = ["input", "cases", "seed", "read", "refused", "unclear", "tracebacks", "crashes", "hangs", "outside"]
    keys = ["count", "seed", "ok", "refused", "unclear", "traceback", "crash", "hang", "outside"]
    rows = [[name, *(f"{one[key]:,}" for key in keys)] for name, one in sorted(targets.items())]
    slowest = [[row[0], f"{targets[row[0]]['slowest_s']:.1f}"] for row in rows]
    head.append("slowest, s")
    return _table(head, [[*row, end[1]] for row, end in zip(rows, slowest, strict=True)])


def _faults(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        [name, f"{one['tries']:,}", f"{one['held']:,}", str(one.get("note", ""))]
        for name, one in sorted(faults.items())
    ]
    return _table(["fault", "tries", "held", "how it ends"], rows)


def _origins(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    said = {}
    for one in runs:
        versions = ", ".join(f"{name} {number}" for name, number in one["versions"].items())
        said[f"- {one['date']}, {one['processor']}: {versions}."] = None
    return sorted(said) or ["No full run yet."]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
