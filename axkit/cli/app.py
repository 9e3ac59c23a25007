"""The command line: its commands joined, and what becomes of errors. Imports no torch until a command needs it."""

from __future__ import annotations

import contextlib
import sys

import click

from axkit.cli import bench, compared, compress, export, folder, inspected, lists, new, run, share
from axkit.cli.terminal import leave_the_pipe, show_everything, show_notes
from axkit.ground.cpu import before_torch
from axkit.ground.errors import AxkitError, Interrupted, RecipeError, as_storage_error, full_disk
from axkit.ground.signals import code_of, listening
from axkit.ground.version import __version__

_MOST_FAULTS = 50


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """One recipe, one command: a transformer that is really smaller and faster."""


for _room in (compress, run, folder, bench, export, share, inspected, compared, lists, new):
    for _command in _room.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Entry point: what the user can mend is one sentence and exit code 2; a bug keeps its traceback."""
    show_everything()
    show_notes()
    before_torch()  # here, because nothing has imported torch yet
    try:
        with listening():
            cli.main(prog_name="axkit", standalone_mode=False)
    except AxkitError as error:
        _fail(error)
    except click.exceptions.Abort as abort:
        _fail(Interrupted("interrupted; nothing was left half-written", code_of(abort.__cause__)))
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click before 8.2 has none
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "axkit"
        _fail(AxkitError(f"{error.format_message().rstrip('.')}; '{path} --help' tells what there is"))
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except BrokenPipeError:
        leave_the_pipe()
        sys.exit(0)
    except Exception as error:
        said = error if isinstance(error, OSError) else full_disk(error)
        told = as_storage_error(said, said.filename or "the disk") if said is not None else None
        if told is None:
            raise
        _fail(told)


def _fail(error: AxkitError) -> None:
    faults = error.faults if isinstance(error, RecipeError) else (str(error),)
    with contextlib.suppress(OSError):  # the terminal may be gone
        for fault in faults[:_MOST_FAULTS]:
            click.echo(f"error: {fault}", err=True)
        if len(faults) > _MOST_FAULTS:
            click.echo(f"error: and {len(faults) - _MOST_FAULTS:,} more like these", err=True)
    sys.exit(error.code if isinstance(error, Interrupted) else 2)
