"""The page of all commands, made of the commands themselves whenever the site is built: it cannot be behind them.

mkdocs.yml names it under ``hooks``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from axkit.cli.app import cli

PATH = "reference/cli.md"


def on_files(files: Any, config: Any) -> Any:
    """What MkDocs calls: the page is one more file."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PATH, content=page()))
    return files


def page() -> str:
    """All commands, each with a heading, and each of their options with one."""
    lines = [
        "# Commands",
        "",
        "Every command and every option, as `axkit COMMAND --help` has them. Bad input is one sentence and exit code",
        "2; a run that was interrupted ends with 130, and the same command goes on from what it had finished.",
        "",
    ]
    for name, command in sorted(cli.commands.items()):
        lines += [*_command(name, command), ""]
    return "\n".join(lines)


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"axkit {name}")
    yield from (f"## axkit {name}", "", "```")
    yield from (context.command_path + " " + " ".join(command.collect_usage_pieces(context)), "```", "")
    yield _plain(command.help or "")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield from ("", *_option(parameter, context))


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    written, told = option.get_help_record(context) or (option.opts[0], "")
    names = ", ".join(f"`{one}`" for one in option.opts)
    yield from (f"### {names} {{ #{context.command.name}-{option.name} }}", "", f"`{written}`", "", _plain(told))


def _plain(text: str) -> str:
    """Click's marks for paragraphs are none of Markdown's; what a shell writes in brackets is no link."""
    return text.replace("\b", "").replace("[", "\\[").replace("<", "&lt;").strip()
