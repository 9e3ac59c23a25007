"""What ``axkit passes``, ``families``, ``tasks``, ``models`` and ``kinds`` print. Imports no torch."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.contract.described import way_to_install
from axkit.contract.passes import Pass, PassConfig
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


def settings_of(config: type[PassConfig]) -> list[tuple[str, str, str, str, str]]:
    """(name, type, default, range, description) of every setting."""
    rows = []
    for name, field in config.model_json_schema()["properties"].items():
        kinds = [part.get("type", "") for part in field.get("anyOf", [field])]
        if "enum" in field:
            kinds = [" | ".join(map(str, field["enum"]))]
        bounds = []
        for key, sign in (("exclusiveMinimum", ">"), ("minimum", ">="), ("exclusiveMaximum", "<"), ("maximum", "<=")):
            if key in field:
                bounds.append(f"{sign} {field[key]:g}")
        required = config.model_fields[name].is_required()
        default = "required" if required else str(field.get("default", ""))
        rows.append((name, " or ".join(kinds), default, ", ".join(bounds), field.get("description", "")))
    return rows


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
    facts = {
        "for": pass_class.purpose,
        "from": f"{entry.distribution} ({entry.target})",
        "paper": pass_class.paper,
        "is lent": ", ".join(sorted(pass_class.needs)) or "nothing",
        "requires": ", ".join(sorted(pass_class.requires)) or "nothing",
        "ends": ", ".join(sorted(pass_class.ends)) or "nothing",
        "extra": f"axkit[{pass_class.extra}]" if pass_class.extra else "",
    }
    missing = pass_class.missing_packages()
    if missing:
        facts["missing"] = f"{', '.join(missing)}: {way_to_install(pass_class, entry.distribution)}"
    elif pass_class.install:
        facts["installed by"] = pass_class.install
    for key, value in facts.items():
        if value:
            console.print(f"  {key}: {value}", highlight=False, markup=False)
    table = Table("setting", "type", "default", "range", "meaning")
    for row in settings_of(pass_class.Config):
        table.add_row(*row)
    budget = "Any pass: points it may cost on the search split, or it is undone."
    if pass_class.holds_budget:
        budget += f" This one first keeps it itself: it fills {pass_class.holds_budget} in."
    table.add_row("budget.max_drop", "number", "", ">= 0", budget)
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
