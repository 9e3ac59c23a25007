"""What ``axkit passes``, ``families``, ``tasks``, ``models`` and ``kinds`` print. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.contract.described import way_to_install
from axkit.contract.passes import Pass
from axkit.contract.registered import load_pass
from axkit.ground import fence, registry
from axkit.ground.errors import PluginError, shown
from axkit.run.shipped import purpose, shipped
from axkit.tasks.kinds.kind import kind_of, metric_names, metric_of


def show_entries(group: str, console: Console) -> None:
    """A table of a group's names; nothing is imported. What is damaged is told on standard error."""
    table = Table("name", "from", "object")
    for entry in registry.entries(group).values():
        table.add_row(escape(entry.name), escape(_origin(entry)), escape(entry.target))
    console.print(table)
    _tell_faults(group)


def show_passes(console: Console) -> None:
    """A table of the passes and what each is for; one that cannot be imported is told beside its name."""
    table = Table("name", "for", "from")
    for entry in registry.entries(registry.PASSES).values():
        table.add_row(escape(entry.name), escape(_purpose(entry)), escape(_origin(entry)))
    console.print(table)
    _tell_faults(registry.PASSES)


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


def show_recipes(console: Console) -> None:
    """The recipes that axkit brings, and what each is for."""
    table = Table("name", "for")
    for name, path in shipped().items():
        table.add_row(escape(name), escape(purpose(path)))
    console.print(table)


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


def show_pass(name: str, console: Console) -> None:
    """All about one pass.

    Raises:
        PluginError: unknown, or it fails to import.
    """
    found = load_pass(name)
    with fence.answering(found.entry.who, "cannot be described", found.entry.is_ours):
        _show_pass(found.entry, found.pass_class, console)


def _show_pass(entry: registry.Entry, pass_class: type[Pass[Any]], console: Console) -> None:
    about = (pass_class.__doc__ or "").strip().split("\n")[0]
    console.print(f"[bold]{entry.name}[/bold]  {escape(about)}", highlight=False)
    facts = {**facts_of(entry, pass_class), "missing": ", ".join(pass_class.missing_packages())}
    for key, value in facts.items():
        if value:
            console.print(f"  {key}: {value}", highlight=False, markup=False)
    table = Table("setting", "type", "default", "range", "meaning")
    for row in settings_of(pass_class):
        table.add_row(*map(escape, row))
    console.print(table)


def show_kind(name: str, console: Console) -> None:
    """All about a kind of task: what a model needs for it, and its metrics, others' too.

    Raises:
        PluginError: unknown, or it fails to import.
    """
    kind = kind_of(name)
    texts = " or ".join(("one", "two")[count - 1] for count in kind.takes)
    console.print(f"[bold]{name}[/bold]  AutoModelFor{kind.head}, {texts} of {kind.inputs} a row", highlight=False)
    table = Table("metric", "decides", "meaning")
    for one in metric_names(kind):
        try:
            metric = metric_of(kind, one)
        except PluginError:  # for other kinds, or broken: told where a task names it
            continue
        table.add_row(escape(one), "yes" if metric.decides else "no", escape(metric.about))
    console.print(table)
