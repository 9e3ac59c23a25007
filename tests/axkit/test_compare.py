"""axkit compare: finished runs side by side, on a terminal and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import refused
from hostile import EVIL
from pages import faults
from records import MACHINE, STAGE, SUMMARY, report

from axkit.anatomy.structure import Structure
from axkit.contract.manifest import Manifest
from axkit.report.compare import compared_page, differing, grouped
from axkit.report.placed import placed, short_names
from axkit.report.plots.comparison import Point, comparison_svg
from axkit.tasks.about import About


def run_folder(place, name, stages=(), **summary):
    """A run folder that has nothing but its report."""
    folder = Path(place, name)
    folder.mkdir(parents=True)
    made = report(name=name, summary=SUMMARY | summary, stages=[STAGE | one for one in stages] or [STAGE])
    (folder / "report.json").write_text(json.dumps(made.to_json()))
    return folder


@pytest.fixture
def folders(workplace):
    return [
        run_folder("runs", "quick", [{"config": {"max_drop": 1.0}}], throughput_b32_per_s_result=19.2),
        run_folder("runs", "small", [{"config": {"max_drop": 2.0}}], bytes_result=1_000_000, metric_result=82.0),
        run_folder("runs", "led", [{"config": {"max_drop": 2.0}, "undone": True}], metric_result=79.0),
    ]


def test_runs_side_by_side(folders, run):
    code, out, _ = run("compare", *map(str, folders))
    assert code == 0
    for part in (
        "quick",
        "3.00x",
        "4.00x",
        "own files: accuracy",
        "by none in score, throughput and bytes together: quick, small.",
    ):
        assert part in out, part
    assert "int8.max_drop" in out
    assert "not the same" not in out


def test_a_task_of_own_files_is_called_by_them(workplace):
    """What two recipes say of their rows tells them apart, however long what they share is."""
    told = {"files": {"train": "data/reviews.csv", "test": "data/other.csv"}, "text": "t" * 80, "label": "stars"}
    for name, label in (("one", "stars"), ("other", "liked")):
        about = About(task={**told, "label": label})
        made = Manifest(Structure.dense(1, 2, 4), about=about).to_json()
        (Path(run_folder("runs", name)) / "axkit.json").write_text(json.dumps(made), encoding="utf-8")
    groups = grouped(placed(["runs"]))
    assert [one.title for one in groups] == [f"reviews.csv, other.csv ({n}): accuracy" for n in (1, 2)]
    made = Manifest(Structure.dense(1, 2, 4), about=About(task={"files": {"train": ["a/b.csv", "c.csv"]}})).to_json()
    (Path(run_folder("others", "many")) / "axkit.json").write_text(json.dumps(made), encoding="utf-8")
    assert grouped(placed(["others"]))[0].title == "b.csv, c.csv: accuracy"


def test_what_agreement_is_stands_beside_runs_without_labels(workplace, run):
    told = "a score is agreement with the run's own dense model"
    unlabelled = run_folder("runs", "alike", metric_name="agreement", metric_dense=100.0, labels="none")
    assert told in grouped(placed([str(unlabelled)]))[0].notes[1]
    assert all(told not in note for note in grouped(placed([str(run_folder("runs", "right"))]))[0].notes)


def test_all_runs_below_a_folder_but_those_that_are_hidden(folders, workplace, run):
    run_folder("runs/.stages", "hidden")
    found = placed(["runs"])
    assert [one.name for one in found] == ["led", "quick", "small"]
    code, out, _ = run("compare", "runs", "--json")
    assert code == 0
    assert [one["run"] for one in json.loads(out)] == ["led", "quick", "small"]
    assert json.loads(out)[0]["summary"]["metric_result"] == 79.0


def test_what_stands_in_the_way_is_told(folders):
    folders.append(run_folder("runs", "other", metric_dense=70.0, rows=SUMMARY["rows"] | {"test": 10}))
    made = json.loads((folders[-1] / "report.json").read_text())
    (folders[-1] / "report.json").write_text(json.dumps(made | {"machine": MACHINE | {"processor": "another"}}))
    (group,) = grouped(placed(folders))
    told = " ".join(group.notes)
    for part in ("dense models are not the same", "different numbers of test rows", "different machines"):
        assert part in told


def test_runs_of_other_metrics_are_not_mixed(folders):
    folders.append(run_folder("runs", "scores", metric_name="pearson"))
    assert [len(one.grid.rows) for one in grouped(placed(folders))] == [3, 1]


def test_settings_that_differ(folders):
    grid = differing(placed(folders))
    assert grid.rows == (("int8", "yes", "yes", "undone"), ("int8.max_drop", "1.0", "2.0", "2.0"))
    assert differing(placed(folders[:1])) is None


def test_the_page_stands_alone(folders, run):
    folders.append(run_folder("runs", "evil", [{"pass": EVIL, "config": {EVIL: EVIL}}]))
    code, out, _ = run("compare", *map(str, folders), "--html", "side.html")
    assert code == 0
    assert "Written to side.html" in out
    page = Path("side.html").read_text()
    assert faults(page) == []
    assert "<script>alert" not in page
    assert page.count("<svg") == 1


def test_numbers_of_circles_that_lie_on_each_other_do_not():
    points = [Point(f"m{at}", 2.0, 80.0, 1e6, at == 0) for at in range(5)]
    svg = comparison_svg(points, "accuracy", "bert", 81.0, "plot")
    import xml.etree.ElementTree as ElementTree

    places = {}
    for one in ElementTree.fromstring(svg).iter():
        if one.text in {"1", "2", "3", "4", "5"}:
            places[one.text] = (float(one.attrib["x"]), float(one.attrib["y"]))
    assert len(places) == 5
    found = list(places.values())
    for at, (x, y) in enumerate(found):
        assert all(abs(x - a) > 6 or abs(y - b) > 6 for a, b in found[:at]), places


def test_names_are_as_short_as_tells_them_apart():
    assert short_names([Path("a/x"), Path("b/y")]) == ["x", "y"]
    assert short_names([Path("r/a/x"), Path("r/b/x")]) == ["a", "b"]
    assert short_names([Path("r/a/x"), Path("s/a/y"), Path("s/b/x")]) == ["a/x", "a/y", "b/x"]
    assert short_names([Path("only/one")]) == ["one"]


def test_what_is_no_run_is_refused(workplace, run):
    Path("empty").mkdir()
    refused(run("compare", "empty"), "holds no run")
    refused(run("compare", "nowhere"), "holds no run")
    run_folder(".", "torn")
    Path("torn/report.json").write_text("{")
    refused(run("compare", "torn"), "cannot be read")


def test_a_page_of_one_run(folders):
    assert faults(compared_page(placed(folders[:1]))) == []
