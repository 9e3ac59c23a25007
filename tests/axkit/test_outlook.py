"""What a plan foretells of the whole run: time, memory, disk, and what comes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from axkit.cli.planned import show_plan
from axkit.ground.figures import span
from axkit.run import outlook
from axkit.run.outlook import Outlook
from axkit.run.planning import plan
from axkit.run.rate import Rate
from axkit.run.recipe import load_source
from axkit_plugins.finetune import Finetune


@pytest.fixture
def made(workplace, monkeypatch):
    monkeypatch.setattr(Rate, "here", classmethod(lambda cls: cls(100.0)))
    return lambda *settings: plan(load_source(workplace / "recipe.yaml", settings))


def passes(*lines):
    return f"passes=[{', '.join(lines)}]"


def test_each_stage_has_a_time_and_the_whole_is_their_sum(made):
    one, two = (Outlook.of(made(passes(f"{{pass: finetune, epochs: {epochs}}}", "{pass: int8}"))) for epochs in (2, 8))
    assert [stage.name for stage in one.stages] == ["finetune", "int8"]
    low, high = (sum(stage.time_s[end] for stage in one.stages) + one.compared_s[end] for end in (0, 1))
    assert one.time_s == pytest.approx((low, high))
    assert 0 < low < high
    assert two.stages[0].time_s[1] > one.stages[0].time_s[1], "four times as many epochs"
    assert two.stages[1].time_s == one.stages[1].time_s


def test_a_machine_that_is_slower_takes_longer(made, monkeypatch):
    what = made(passes("{pass: finetune, epochs: 50}"))
    fast = Outlook.of(what)
    monkeypatch.setattr(Rate, "here", classmethod(lambda cls: cls(1.0)))
    assert Outlook.of(what).time_s[0] > fast.time_s[0]


def test_what_comes_behind_a_cut_is_faster(made, monkeypatch):
    monkeypatch.setattr(Rate, "here", classmethod(lambda cls: cls(0.1)))  # so that rows are what counts
    tune = "{pass: finetune, epochs: 2}"
    whole = Outlook.of(made(passes(tune, tune))).stages[1]
    less = Outlook.of(made(passes(tune, "{pass: drop_layers, keep: [0]}", tune))).stages[2]
    layers = made().given.workload().layers
    assert less.time_s[1] - 3 == pytest.approx((whole.time_s[1] - 3) / layers, rel=0.01)
    assert less.disk_bytes < whole.disk_bytes
    budget = "{pass: axformer_prune, objective: budget, speedup: 2.0}"
    cut = Outlook.of(made(passes(tune, budget, tune))).stages[2]
    assert cut.time_s[0] < 0.6 * whole.time_s[0], "it may have got there"
    assert cut.time_s[1] == pytest.approx(whole.time_s[1]), "or not"


def test_what_a_pass_does_not_tell_is_said(made, monkeypatch):
    monkeypatch.setattr(Finetune, "foresee_effort", lambda self, config, work: None)
    found = Outlook.of(made(passes("{pass: finetune}", "{pass: int8}")))
    assert found.time_s[1] is None
    told = dict(found.told())["time"]
    assert "or more" in told
    assert "not foreseen: finetune" in told


def test_finished_stages_cost_nothing_again(made, workplace, run):
    code, _, err = run("apply", "recipe.yaml", "--set", passes("{pass: finetune, epochs: 1}"))
    assert code == 0, err
    found = Outlook.of(made(passes("{pass: finetune, epochs: 1}", "{pass: int8}")))
    assert [stage.is_finished for stage in found.stages] == [True, False]
    assert found.time_s[1] == pytest.approx(found.compared_s[1] + found.stages[1].time_s[1])
    assert "1 of 2 stages finished earlier" in dict(found.told())["time"]
    assert not any(s.is_finished for s in Outlook.of(made(passes("{pass: finetune, epochs: 2}"))).stages)


def test_memory_and_disk_that_are_not_there_are_warned_of(made, monkeypatch):
    what = made(passes("{pass: finetune}"))
    found = Outlook.of(what)
    assert found.memory_bytes == max(stage.memory_bytes for stage in found.stages) > 600 * 2**20
    assert list(found.warnings()) == []
    monkeypatch.setattr(outlook, "memory_bytes", lambda: found.memory_bytes - 1)
    monkeypatch.setattr(outlook, "free_bytes", lambda _: found.disk_bytes - 1)
    memory, disk = Outlook.of(what).warnings()
    assert "pass 0 'finetune' may take" in memory
    assert "stages may take" in disk
    out = StringIO()
    show_plan(what, Console(file=out, width=400))
    assert "warning pass 0 'finetune' may take" in out.getvalue()


def test_disk_is_no_less_than_is_kept(made, workplace, run):
    line = passes("{pass: finetune, epochs: 1}")
    foretold = Outlook.of(made(line))
    assert run("apply", "recipe.yaml", "--set", line)[0] == 0
    weights = [path.stat().st_size for path in (workplace / "runs").rglob("model.safetensors")]
    assert len(weights) >= 2
    kept = foretold.disk_bytes - foretold.stages[0].work_disk_bytes
    assert 0.5 * sum(weights) < kept < 2 * sum(weights) + 2**16


def test_it_is_printed_and_plain_as_json(workplace, run):
    code, out, err = run("plan", "recipe.yaml")
    assert code == 0, err
    for what in ("time   ", "memory about ", "disk   at most "):
        assert f"\n{what}" in out
    code, out, _ = run("plan", "recipe.yaml", "--json")
    found = json.loads(out)["outlook"]
    assert found["time_s"][0] < found["time_s"][1]
    assert {"memory_bytes", "memory_there_bytes", "disk_bytes", "disk_free_bytes", "gflops"} <= found.keys()
    assert len(found["stages"]) == len(json.loads(out)["passes"])


def test_planning_imports_no_torch(workplace):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\nimport checkout; checkout.register()\n"
        "from axkit.run.planning import plan\nfrom axkit.run.outlook import Outlook\n"
        "from axkit.run.recipe import load_source\nassert Outlook.of(plan(load_source('recipe.yaml')))\n"
        "assert 'torch' not in sys.modules"
    )
    tests = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, str(tests), str(tests.parent)], check=True)


def test_of_sizes_that_nobody_tells_nothing_is_foretold(made, monkeypatch):
    what = made(passes("{pass: finetune}"))
    monkeypatch.setattr(type(what.given), "workload", lambda self: None)
    assert Outlook.of(what) is None
    out = StringIO()
    show_plan(what, Console(file=out, width=400))
    assert "memory about" not in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ((20.0, 80.0), "20 to 80 s"),
        ((30.0, 120.0), "0.5 to 2 min"),
        ((720.0, 1200.0), "12 to 20 min"),
        ((1800.0, 7200.0), "0.5 to 2 hours"),
        ((1790.0, 1799.0), "30 min"),
        ((600.0, None), "10 min or more"),
        ((0.0, 0.0), "0 s"),
    ],
)
def test_a_time_in_words(seconds, told):
    assert span(seconds) == told
