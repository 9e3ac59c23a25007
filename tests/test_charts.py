"""Charts of the result pages: drawn from the tables beside them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("results*.md"))
sys.path.insert(0, str(ROOT / "benchmarks"))
import charts  # noqa: E402


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_shows_what_its_tables_give(page, tmp_path):
    again = Path(shutil.copy(page, tmp_path))
    made = charts.illustrate(again)
    assert made
    assert again.read_text() == page.read_text(), f"run: python benchmarks/charts.py docs/{page.name}"
    assert all((page.parent / "assets" / path.name).exists() for path in made)


def test_a_table_is_drawn_as_it_stands(tmp_path):
    page = tmp_path / "page.md"
    table = "| recipe | n | {} |\n| --- | --- | --- |\n| a | 1 | {} |\n| b | 3 | {} |\n"
    told = table.format("change", "-0.10 (chance)", "+0.54 [-0.94, +2.00]") + "\n"
    told += table.format("throughput b32", "1.50x", "2.77x [2.74x, 2.79x]")
    page.write_text(f"# Results\n\nWords.\n\n## a task\n\n{told}\n## words alone\n\nNothing to draw.\n")
    (made,) = charts.illustrate(page)
    assert made == tmp_path / "assets" / "page-a-task.svg"
    text = made.read_text()
    assert all(f">{name}</text>" in text for name in "ab")
    shown = page.read_text()
    assert charts.illustrate(page) == [made]
    assert page.read_text() == shown
    assert shown.count("page-a-task.svg") == 1
    span = charts.Span.read("+0.54 [-0.94, +2.00] (chance: 3 of 3)")
    assert (span.middle, span.low, span.high) == (0.54, -0.94, 2.0)
    assert charts.Span.read("0.05, 0.17").middle == 0.05
    assert charts.Span.read("") is None
