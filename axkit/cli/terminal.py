"""The streams that a command prints to."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from typing import Any

from axkit.ground.plain.places import MovedPath
from axkit.run.shipped import TwoOfAName


def show_everything() -> None:
    """What a terminal's encoding lacks is shown escaped; a label in another script ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_notes() -> None:
    """What we warn a caller of is a note without a place in the code to whoever types a command."""
    told = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, MovedPath | TwoOfAName):
            print(f"note: {message}", file=sys.stderr)
        else:
            told(message, category, *place, **more)

    warnings.showwarning = show


def leave_the_pipe() -> None:
    """Whoever read has gone: what is still buffered goes nowhere, without a word at the end."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
