"""What ``axkit passes``, ``families``, ``tasks``, ``models``, ``kinds`` and ``recipes`` tell. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from axkit.contract.described import way_to_install
from axkit.contract.passes import Pass
from axkit.contract.registered import load_pass
from axkit.ground import fence, registry
from axkit.ground.errors import PluginError, shown
from axkit.run.shipped import purpose, shipped
from axkit.tasks.kinds.kind import kind_of, metric_names, metric_of


@dataclass(frozen=True)
class Listed:
    """A table.

    Attributes:
        head: names of its columns.
        rows: texts, or whether something is so.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str | bool, ...], ...]

    def to_json(self) -> list[dict[str, str | bool]]:
        """A map for each row."""
        return [dict(zip(self.head, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Told:
    """All about one name.

    Attributes:
        name: as registered.
        about: a sentence.
        facts: by name.
        what: the rows of ``listed`` are.
        listed: a table.
    """

    name: str
    about: str
    facts: Mapping[str, str]
    what: str
    listed: Listed

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        facts = {key.replace(" ", "_"): value for key, value in self.facts.items()}
        return {"name": self.name, "about": self.about, **facts, self.what: self.listed.to_json()}


def entries_of(group: str) -> Listed:
    """A group's names; nothing is imported. What is damaged is told on standard error."""
    rows = tuple((entry.name, _origin(entry), entry.target) for entry in registry.entries(group).values())
    _tell_faults(group)
    return Listed(("name", "from", "object"), rows)


def passes() -> Listed:
    """The passes and what each is for; one that cannot be imported is told beside its name."""
    rows = tuple((one.name, _purpose(one), _origin(one)) for one in registry.entries(registry.PASSES).values())
    _tell_faults(registry.PASSES)
    return Listed(("name", "for", "from"), rows)


def _purpose(entry: registry.Entry) -> str:
    if entry.rivals:
        return ""
    try:
        return str(load_pass(entry.name).pass_class.purpose)
    except PluginError as error:
        return f"cannot be used: {shown(error, 160)}"


def _origin(entry: registry.Entry) -> str:
    if entry.rivals:
        return f"COLLISION: {' and '.join((entry.distribution, *entry.rivals))}; uninstall one"
    return entry.distribution


def _tell_faults(group: str) -> None:
    for fault in registry.faults(group):
        print(f"warning: {fault}", file=sys.stderr)


def recipes() -> Listed:
    """The recipes that axkit brings, and what each is for."""
    return Listed(("name", "for"), tuple((name, purpose(path)) for name, path in shipped().items()))


_BOUNDS = (("exclusiveMinimum", ">"), ("minimum", ">="), ("exclusiveMaximum", "<"), ("maximum", "<="))


def settings_of(pass_class: type[Pass[Any]]) -> list[tuple[str, str, str, str, str]]:
    """What ``fields_of`` gives of a pass's settings, as a recipe writes them; the budget is the last."""
    budget = "Any pass: points it may cost on the search split, or it is undone."
    if pass_class.holds_budget:
        budget += f" This one first keeps it itself: it fills {pass_class.holds_budget} in."
    return [*fields_of(pass_class.Config), ("budget.max_drop", "number", "", ">= 0", budget)]


def fields_of(settings: type[BaseModel]) -> list[tuple[str, str, str, str, str]]:
    """(name, type, default, range, description) of every field."""
    schema = settings.model_json_schema()
    rows = []
    for name, field in schema["properties"].items():
        ranges = [_range(part) for part in field.get("anyOf", [field])]
        default = "required" if name in schema.get("required", ()) else _written(field.get("default", ""))
        told = (default, " or ".join(filter(None, ranges)), field.get("description", ""))
        rows.append((name, _type(field, schema.get("$defs", {})), *told))
    return rows


def _type(part: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    """Of a part of a JSON schema, whose other parts are asked for by their names."""
    if "$ref" in part:
        return _type(named[part["$ref"].rpartition("/")[2]], named)
    if "anyOf" in part:
        return " or ".join(_type(one, named) for one in part["anyOf"])
    if "enum" in part:
        return " | ".join(map(str, part["enum"]))
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}), named)}"
    return "map" if part.get("type") == "object" else str(part.get("const", part.get("type", "any")))


def _range(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{sign} {part[key]:g}" for key, sign in _BOUNDS if key in part)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def facts_of(entry: registry.Entry, pass_class: type[Pass[Any]]) -> dict[str, str]:
    """What is told of a pass beside its settings, the same on every machine; empty where there is nothing to tell."""
    optional = pass_class.extra or pass_class.install
    return {
        "for": pass_class.purpose,
        "from": f"{entry.distribution} ({entry.target})",
        "paper": pass_class.paper,
        "is lent": ", ".join(sorted(pass_class.needs)) or "nothing",
        "requires": ", ".join(sorted(pass_class.requires)) or "nothing",
        "ends": ", ".join(sorted(pass_class.ends)) or "nothing",
        "extra": pass_class.extra or "",
        "installed by": way_to_install(pass_class, entry.distribution) if optional else "",
    }


def pass_named(name: str) -> Told:
    """All about one pass.

    Raises:
        PluginError: unknown, or it fails to import.
    """
    found = load_pass(name)
    with fence.answering(found.entry.who, "cannot be described", found.entry.is_ours):
        return _pass(found.entry, found.pass_class)


def _pass(entry: registry.Entry, pass_class: type[Pass[Any]]) -> Told:
    about = (pass_class.__doc__ or "").strip().split("\n")[0]
    facts = {**facts_of(entry, pass_class), "missing": ", ".join(pass_class.missing_packages())}
    settings = Listed(("setting", "type", "default", "range", "meaning"), tuple(settings_of(pass_class)))
    return Told(entry.name, about, {key: value for key, value in facts.items() if value}, "settings", settings)


def kind_named(name: str) -> Told:
    """All about a kind of task: what a model needs for it, and its metrics, others' too.

    Raises:
        PluginError: unknown, or it fails to import.
    """
    kind = kind_of(name)
    texts = " or ".join(("one", "two")[count - 1] for count in kind.takes)
    rows = []
    for one in metric_names(kind):
        try:
            metric = metric_of(kind, one)
        except PluginError:  # for other kinds, or broken: told where a task names it
            continue
        rows.append((one, metric.decides, metric.about))
    about = f"AutoModelFor{kind.head}, {texts} of {kind.inputs} a row"
    return Told(name, about, {}, "metrics", Listed(("metric", "decides", "meaning"), tuple(rows)))
