"""report.html in a browser, where there is one: light, dark, on a phone."""

from __future__ import annotations

import pytest
from browser import axe, chromium, looked_at
from hostile import whole

from axkit.report.page import page_of
from axkit.tasks.about import About

pytestmark = pytest.mark.skipif(not (chromium() and axe()), reason="no Chromium, or no axe-core")


@pytest.fixture(scope="module")
def page():
    return page_of(whole(), About(kind="classification")).replace("<details>", "<details open>")


@pytest.mark.parametrize(("dark", "width"), [(False, 1000), (True, 500)])
def test_nothing_is_said_and_nothing_violated(page, tmp_path, dark, width):
    console, found = looked_at(page, tmp_path, dark, width)
    assert console == []
    assert found["told"] == []
    assert found["wide"] <= width, "nothing but what scrolls by itself is wider than the window"


FILTER = """
const field = (name) => document.getElementById("filter-" + name);
field("became").value = "now wrong";
field("sure").value = 0.6;
field("became").dispatchEvent(new Event("input", {bubbles: true}));
const shown = [...document.querySelectorAll("#moved-rows tbody tr")].filter((row) => !row.hidden);
console.warn("shown " + shown.map((row) => row.cells[0].textContent) + "; " + field("count").textContent);
"""


def test_rows_are_filtered_and_a_fault_would_be_seen(page, tmp_path):
    damaged = page.replace("</main>", '<p style="color: #999; background: #aaa">pale</p></main>')
    console, found = looked_at(damaged, tmp_path, script=FILTER)
    assert len(console) == 1
    assert "shown 9; 1 row" in console[0]
    assert [one[0] for one in found["told"]] == ["color-contrast"]
