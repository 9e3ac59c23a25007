"""Pages in a browser, where there is one: of a run, of runs side by side, of a sweep; light, dark, on a phone."""

from __future__ import annotations

import pytest
from browser import axe, chromium, looked_at
from hostile import EVIL, whole
from records import outcome

from axkit.report.compare import compared_page
from axkit.report.page import page_of
from axkit.report.placed import Placed
from axkit.sweep import Outcome
from axkit.sweep.write import write_sweep
from axkit.tasks.about import About

pytestmark = pytest.mark.skipif(not (chromium() and axe()), reason="no Chromium, or no axe-core")
LONG = "posttrain_prune_int8/" * 5


def of_a_run(_):
    return page_of(whole(), About(kind="classification"))


def side_by_side(_):
    runs = (("small", "a task", {}), (EVIL, "a task", {"stages": []}), (LONG, LONG, {"overrides": []}))
    return compared_page([Placed.of(name, task, task, whole(name=name, **changes)) for name, task, changes in runs])


def of_a_sweep(folder):
    done = [outcome(name, seed, 80.0 + seed, 300.0, 50, p=0.5) for name in ("small", EVIL, LONG) for seed in (1, 2)]
    other = [outcome(name, 1, 80.0, 300.0, 50, task="other") for name in ("small", LONG)]
    lost = Outcome(outcome("lost", 1, 80.0, 1.0, 1).run, "failed", EVIL)
    write_sweep([*done, *other, lost], folder)
    return (folder / "sweep.html").read_text(encoding="utf-8")


def opened(page):
    return page.replace("<details>", "<details open>")


@pytest.mark.parametrize(("dark", "width"), [(False, 1000), (True, 500)])
@pytest.mark.parametrize("made", [of_a_run, side_by_side, of_a_sweep])
def test_nothing_is_said_and_nothing_violated(made, tmp_path, dark, width):
    console, found = looked_at(opened(made(tmp_path)), tmp_path, dark, width)
    assert console == []
    assert found["told"] == []
    assert found["wide"] <= width, "nothing but what scrolls by itself is wider than the window"
    assert found["plots"] > 0
    assert found["cut"] == found["printed_over"] == [], "words of plots"


FILTER = """
const field = (name) => document.getElementById("filter-" + name);
field("became").value = "now wrong";
field("sure").value = 0.6;
field("became").dispatchEvent(new Event("input", {bubbles: true}));
const shown = [...document.querySelectorAll("#moved-rows tbody tr")].filter((row) => !row.hidden);
console.warn("shown " + shown.map((row) => row.cells[0].textContent) + "; " + field("count").textContent);
"""
FAULTS = """
<p style="color: #999; background: #aaa">pale</p>
<svg role="img" aria-label="A plot" viewBox="0 0 100 20" width="100">
<text y="15">far too long for its plot</text><text y="16">over it</text></svg>
"""


def test_rows_are_filtered_and_a_fault_would_be_seen(tmp_path):
    damaged = opened(of_a_run(tmp_path)).replace("</main>", f"{FAULTS}</main>")
    console, found = looked_at(damaged, tmp_path, script=FILTER)
    assert len(console) == 1
    assert "shown 9; 1 row" in console[0]
    assert [one[0] for one in found["told"]] == ["color-contrast"]
    assert found["cut"] == ["far too long for its plot"]
    assert found["printed_over"] == [["far too long for its plot", "over it"]]
