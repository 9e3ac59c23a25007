"""A short form of ``make faults``, on tiny models; the command forks, so it has a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reliability.faults import FAULTS

NAMES = list(FAULTS)
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("names", [NAMES[::2], NAMES[1::2]], ids=["some", "others"])
def test_faults_end_as_if_nothing_had_been(names):
    only = [part for name in names for part in ("--only", name)]
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "reliability.faults", "--short", *only],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" held, ") == len(names), done.stdout
