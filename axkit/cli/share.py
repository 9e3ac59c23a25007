"""``axkit push``: a finished folder for others. Imports no torch until it does."""

from __future__ import annotations

import click


@click.command("push")
@click.argument("folder")
@click.argument("repo")
@click.option("--private", is_flag=True, help="Make the repository a private one, where it is not there yet.")
@click.option("--with-rows", is_flag=True, help="Send report.html and report.json too: they hold texts of test rows.")
def push_command(folder: str, repo: str, private: bool, with_rows: bool) -> None:
    """Upload a run folder, with its model card, to REPO (USER/NAME) on the Hugging Face hub."""
    from axkit.report.card.push import push_to_hub

    click.echo(f"Pushed to {push_to_hub(folder, repo, private=private or None, rows=with_rows)}")


COMMANDS = (push_command,)
