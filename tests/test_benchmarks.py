"""Each script of benchmarks/ finds what it asks of axkit; whole runs of them take minutes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_starts(path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    assert "main" in runpy.run_path(str(path), run_name="started") or path.stem in ("charts", "fisher")
