"""The streams that a command prints to."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def show_everything() -> None:
    """What a terminal's encoding lacks is shown escaped; a label in another script ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_the_pipe() -> None:
    """Whoever read has gone: what is still buffered goes nowhere, without a word at the end."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
