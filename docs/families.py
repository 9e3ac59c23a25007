"""Writes docs/reference/families.md: every family against every pass, with the reason for each no.

    python docs/families.py

Read off the family files and off what the passes refuse; nothing is run. A test holds the page to this script.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axkit.anatomy.family import Ability, Family
from axkit.contract.passes import Pass
from axkit.ground import registry
from axkit.ground.errors import NotApplicable

PAGE = Path(__file__).parent / "reference" / "families.md"
ABILITIES: dict[Ability, str] = {
    "heads": "single heads",
    "neurons": "single neurons",
    "first_token_only": "last layer for the first token alone",
}


def page() -> str:
    """The whole page."""
    families = _ours(registry.FAMILIES)
    passes = {name: load for name, load in _ours(registry.PASSES).items() if isinstance(load, type)}
    reasons: list[str] = []
    rows = []
    for name, family in families.items():
        cells = [_tell(family, why, reasons) for why in _abilities(family).values()]
        cells += [_tell(family, _refusal(made, family), reasons) for made in passes.values()]
        rows.append([f"`{name}`", _properties(family), *cells])
    head = ["family", "what its file says", *ABILITIES.values(), *(f"`{name}`" for name in passes)]
    return "\n".join([*_INTRODUCTION, *_table(head, rows), "", *reasons, ""])


_INTRODUCTION = [
    "# Families and passes",
    "",
    "Written by `docs/families.py` from the family files and the passes' own checks. In every family whole blocks are",
    "removed for real, and heads and neurons one by one where the table has them; a number in it stands for the reason",
    "below. Every yes is held by a test: `check_family` removes what a family can lose from a tiny model of it, and",
    "`check_pass` runs each pass on one. [Add a family](../add-a-family.md).",
    "",
]


def _ours(group: str) -> dict[str, Any]:
    found = registry.entries(group)
    return {name: entry.load() for name, entry in found.items() if entry.distribution.startswith("axkit ")}


def _abilities(family: Family) -> dict[str, str]:
    """Ability -> why not; empty where it can."""
    can: dict[Ability, str] = {"heads": "", "neurons": ""}
    if family.first_token_heads:
        can["first_token_only"] = ""
    return {ability: (can | family.limits)[ability] for ability in ABILITIES}  # one of the two says it


def _refusal(made: type[Pass[Any]], family: Family) -> str:
    try:
        made().check(family, made.Config.model_construct())
    except NotApplicable as error:
        return str(error)
    return ""


def _tell(family: Family, why: str, reasons: list[str]) -> str:
    if not why:
        return "yes"
    line = f"`{family.model_type}`: {why}."
    known = [text.partition(". ")[2] for text in reasons]
    if line not in known:
        reasons.append(f"{len(reasons) + 1}. {line}")
        known.append(line)
    return f"no ({known.index(line) + 1})"


def _properties(family: Family) -> str:
    said = [] if family.inputs == "tokens" else ["reads images"]
    said += ["pre-norm" if family.pre_norm else "post-norm"]
    said += ["fused query, key, value"] if family.fused_qkv else []
    said += ["gated feed-forward"] if family.gated_ffn else []
    said += ["all layers are one"] if family.shared_layers else []
    said += ["attention of its own"] if "attention_dropout" in family.roles else []
    said += [f"transformers {family.since} or later"] if family.since else []
    return ", ".join(said)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
