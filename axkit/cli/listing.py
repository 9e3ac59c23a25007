"""What ``axkit passes``, ``families``, ``tasks``, ``models`` and ``plan`` print. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from axkit.checkpoint.sources import count_parameters
from axkit.contract.passes import Pass, PassConfig, Workload, way_to_install
from axkit.contract.registered import load_pass
from axkit.ground import fence, registry
from axkit.ground.figures import quantity
from axkit.ground.target import DEFAULT
from axkit.run.control import foreseen as foreseen_of
from axkit.run.planning import Plan
from axkit.tasks.kinds.kind import kind_of
from axkit.tasks.labels.shown import shortened, shown_labels, shown_rows


def show_entries(group: str, console: Console) -> None:
    """A table of a group's names; nothing is imported. What is damaged is told on standard error."""
    table = Table("name", "from", "object")
    for entry in registry.entries(group).values():
        origin = entry.distribution
        if entry.rivals:
            origin = f"COLLISION: {' and '.join((entry.distribution, *entry.rivals))}; uninstall one"
        table.add_row(escape(entry.name), escape(origin), escape(entry.target))
    console.print(table)
    for fault in registry.faults(group):
        print(f"warning: {fault}", file=sys.stderr)


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


def workload(plan: Plan) -> Workload | None:
    """How much there is to do; None where the model's config leaves its sizes to defaults."""
    family, config, spec = plan.family, SimpleNamespace(**plan.model_config), plan.task.spec
    try:
        layers, hidden, width = (family.size(config, what) for what in ("layers", "hidden", "ffn_width"))
        tokens = family.image_tokens(config) if family.inputs == "pixels" else spec.max_length
    except (AttributeError, TypeError):
        return None
    limits = [plan.model_config.get(name) for name in ("max_position_embeddings", "n_positions")]
    tokens = min([tokens, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])
    rows: dict[str, int] = {name: len(split) for name, split in plan.rows.splits.items()}
    return Workload(rows, tokens, kind_of(spec.kind).windows, layers, hidden, width, plan.recipe.target)


def show_plan(plan: Plan, console: Console) -> None:
    """What would run: model, data, stages; nothing is trained."""
    rows = plan.rows
    values = count_parameters(plan.model_folder)
    recipe = plan.recipe
    console.print(
        f"model  {recipe.model}: {plan.model_config['model_type']}, {quantity(values / 1e6, 2)} M parameters\n"
        f"task   {plan.task.name}: {plan.task.spec.kind}, {plan.task.spec.metric_name}; "
        + ", ".join(f"{len(split)} {name}" for name, split in rows.splits.items())
        + (f"; labels {shortened(', '.join(rows.label_names), 400)}" if rows.label_names else ""),
        highlight=False,
        markup=False,
    )
    if recipe.target != DEFAULT:
        console.print(f"target {recipe.target.told()}", highlight=False, markup=False)
    for line in shown_rows(plan.task.spec, rows):
        console.print(f"row    {line}", highlight=False, markup=False)
    for name, counts in shown_labels(plan.task.spec, rows).items():
        console.print(f"{name:<6} {counts}", highlight=False, markup=False)
    if rows.naming:
        console.print(f"labels {rows.naming}", highlight=False, markup=False)
    if _pads_left(plan.model_folder):
        console.print(
            "note   the tokenizer pads on the left; axkit pads on the right, and saves it so", highlight=False
        )
    for (here, there), count in rows.overlaps.items():
        console.print(f"note   {count} {there} rows also stand in {here}", highlight=False)
    table = Table("", "pass", "settings", "budget", "ends")
    for step in plan.steps:
        settings = "\n".join(f"{key}: {value}" for key, value in step.config.model_dump().items())
        budget = f"at most {step.budget.max_drop:g} points" if step.budget else ""
        table.add_row(str(step.index), step.name, settings, budget, ", ".join(sorted(step.runner.ends)))
    console.print(table)
    for step in plan.steps:
        for foreseen in step.foresee(workload(plan)):
            console.print(f"note   {step.index} {step.name}: {foreseen}", highlight=False, markup=False)
    if foreseen_of(plan):
        console.print(f"note   {foreseen_of(plan)}", highlight=False, markup=False)
    dense = f"the model after pass {plan.baseline - 1}" if plan.baseline else "the model as it comes"
    console.print(f"Measured against {dense}. Nothing was trained.", highlight=False)


def said(found: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[str]:
    """What a model said (``axkit.finished.use.predict``), in lines: the likeliest label first, or word by word."""
    if not isinstance(found, Mapping):
        return ["\t".join(_cell(value) for value in one.values()) for one in found]
    if "answer" in found:
        return [f"{found['answer'] or '(no answer)'}\t{found['score']:.4f}"]
    return [f"{label}\t{value:.4f}" for label, value in sorted(found.items(), key=lambda item: -item[1])]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _pads_left(folder: Path) -> bool:
    """Whether a tokenizer_config.json says so; one that is damaged is told of elsewhere."""
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("padding_side") == "left")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
