"""The command line, run in this process."""

from __future__ import annotations

import sys

from axkit.cli.app import main


def axkit(*arguments, monkeypatch, capsys):
    """(exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["axkit", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    code = 0
    try:
        main()
    except SystemExit as done:
        code = int(done.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(result, *parts):
    """The sentences of a command that was refused; they hold these parts."""
    code, _, err = result
    assert code == 2, err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert lines, err
    for part in parts:
        assert part in err
    return lines
