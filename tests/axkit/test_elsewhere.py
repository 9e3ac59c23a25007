"""What axkit itself asks of a system is there on Windows and macOS too, or is not asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from axkit.ground import owners

SCRIPT = Path(__file__).parents[1] / "elsewhere.py"
LISTS = ("passes", "recipes", "tasks", "plan recipe.yaml")
RUN = "apply recipe.yaml --set passes.0.epochs=1"
MAC = ["import os; os.sched_getaffinity", "import sys; assert sys.platform == 'linux'"]
WINDOWS = ["import resource", MAC[0], "import signal; signal.SIGHUP", MAC[1], "from os import fork"]


@pytest.mark.parametrize(
    ("platform", "gone", "commands"),
    [("darwin", MAC, LISTS), ("win32", WINDOWS, (*LISTS, RUN))],
    ids=["mac", "windows"],
)
def test_all_is_imported_and_a_recipe_runs_without_what_another_system_lacks(workplace, platform, gone, commands):
    done = subprocess.run([sys.executable, SCRIPT, platform, *commands], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"gone: {gone}" in lines
    assert int(next(line for line in lines if line.startswith("modules: ")).split()[1]) > 300
    for command in commands:
        assert f"{command}: 0" in lines, done.stderr
    assert (workplace / "runs" / "tiny" / "report.json").is_file() == (RUN in commands)


def test_on_windows_no_process_is_told_ctrl_c_by_being_asked_for(monkeypatch):
    monkeypatch.setattr(os, "kill", None)
    monkeypatch.setattr(owners.sys, "platform", "win32")
    assert owners._answers(os.getpid())
