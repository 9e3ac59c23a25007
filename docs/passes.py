"""The page of all passes and their settings, made of what ``axkit passes NAME`` prints whenever the site is built.

mkdocs.yml names it under ``hooks``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from axkit.cli.listing import facts_of, settings_of
from axkit.contract.registered import Registered, load_pass
from axkit.ground import registry

PATH = "reference/passes.md"
_INTRODUCTION = [
    "# Passes, all settings",
    "",
    "Each of axkit's own passes with all its settings, as `axkit passes NAME` has them, for passes of others too.",
    "[Passes](../passes.md) and [AxFormer](../axformer.md) say when to take which.",
    "",
    "What a pass requires it must still find of the model, and what it ends no later pass finds any more: see",
    "[Write a pass](../write-a-pass.md#order). What it is lent are splits and models of the run. An extra is installed",
    "as [Install](../install.md) has it, or by its packages. `null` is a setting without a value.",
]
_ESCAPED = str.maketrans({"[": r"\[", "<": "&lt;", "|": r"\|"})  # no link, no tag, no end of a cell


def on_files(files: Any, config: Any) -> Any:
    """What MkDocs calls: the page is one more file."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PATH, content=page()))
    return files


def ours() -> dict[str, Registered]:
    """The passes that axkit itself registers, by their names."""
    found = registry.entries(registry.PASSES)
    return {name: load_pass(name) for name, entry in found.items() if entry.is_ours}


def page() -> str:
    """All passes, each with a heading, its facts and a table."""
    lines = list(_INTRODUCTION)
    for name, found in ours().items():
        lines += ["", f"## {name}", "", *_pass(found)]
    return "\n".join([*lines, ""])


def _pass(found: Registered) -> Iterator[str]:
    facts = facts_of(found.entry, found.pass_class)
    yield from (f"**For** {facts.pop('for').translate(_ESCAPED)}.", "")
    yield from (inspect.cleandoc(found.pass_class.__doc__ or "").translate(_ESCAPED), "")
    del facts["from"]
    yield from (f"- {fact}: {told.translate(_ESCAPED)}" for fact, told in facts.items() if told)
    yield from ("", "| setting | values | default | what it is |", "| --- | --- | --- | --- |")
    for name, kind, default, limits, told in settings_of(found.pass_class):
        values = f"{kind}, {limits}" if limits else kind
        yield f"| `{name}` | {' | '.join(text.translate(_ESCAPED) for text in (values, default, told))} |"
