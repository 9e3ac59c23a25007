"""Sweeps: planned all at once, stages made once, finished runs kept, failures told, killed workers replaced."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from axkit import cli, registry
from axkit.cache import StageStore
from axkit.errors import AxkitError
from axkit.sweep import Outcome, Wanted, failure, sweep
from axkit.sweep.plan import plan_sweep
from axkit.sweep.table import dominated_by, rows_of
from axkit.sweep.text import frontier_lines, sweep_text
from axkit.sweep.whole import line

RECIPE = """\
axkit: 1
name: {name}
model: model
task: {{kind: classification, files: {{train: train.jsonl, test: test.jsonl}}, text: sentence, label: label}}
passes:
  - {{pass: finetune, epochs: 1, learning_rate: 3e-3, batch_size: 16}}
"""
TASK = """\
kind: classification
files: {train: test.jsonl, test: train.jsonl}
text: sentence
label: label
"""
OUT = Path("runs/sweep")


def write_recipe(folder: Path, name: str, *passes: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(RECIPE.format(name=name) + "".join(f"  - {{{one}}}\n" for one in passes), encoding="utf-8")
    return path.name


class Heard:
    """A Progress that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def track(self, items, what, total=None):
        yield from items

    def say(self, text):
        self.lines.append(text)

    def count(self, part):
        return sum(part in line for line in self.lines)


@pytest.fixture
def recipes(workplace):
    (workplace / "other.yaml").write_text(TASK, encoding="utf-8")
    return [write_recipe(workplace, "a", "pass: int8"), write_recipe(workplace, "b", "pass: drop_layers, drop: [1]")]


@pytest.fixture
def run(monkeypatch, capsys):
    """The command in this process: (exit code, standard error)."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["axkit", "sweep", *arguments])
        with pytest.raises(SystemExit) as done:
            cli.main()
        return done.value.code, capsys.readouterr().err

    return command


def test_stages_are_made_once_and_finished_runs_kept(recipes, monkeypatch):
    wanted, heard = Wanted(recipes, tasks=["other.yaml"], seeds=[1, 2]), Heard()
    outcomes = sweep(wanted, progress=heard)
    assert [(one.run.recipe, one.run.task, one.run.seed, one.state) for one in outcomes] == [
        (recipe, "other", seed, "done") for recipe in "ab" for seed in (1, 2)
    ]
    assert not failure(outcomes)
    assert heard.count("1. finetune: finished earlier, reused") == 2
    assert heard.count("1. finetune") == 4, "two made, two reused"
    dense = {one.run.name: one.report["summary"]["metric_dense"] for one in outcomes}
    assert dense["a on other, seed 1"] == dense["b on other, seed 1"]

    found = json.loads((OUT / "sweep.json").read_text())
    assert [(row["recipe"], row["n"]) for row in found["rows"]] == [("a", 2), ("b", 2)]
    for figure in found["rows"][0]["figures"].values():
        assert figure["low"] <= figure["mean"] <= figure["high"]
    for one in found["runs"]:
        assert (OUT / one["folder"] / "model.safetensors").is_file()
    drawn = ElementTree.fromstring((OUT / "frontier-other.svg").read_text())
    assert len([one for one in drawn.iter() if one.tag.endswith("circle")]) == 2
    text = (OUT / "sweep.md").read_text()
    for part in ("On the frontier", "| [a](a/other/1/report.md) | other | 1 |", "torch 2"):
        assert part in text

    wanted, heard = Wanted([*recipes, write_recipe(Path(), "c", "pass: bf16")], ["other.yaml"], [1, 2]), Heard()
    with monkeypatch.context() as patch, pytest.raises(AxkitError, match="interrupted; finished runs"):
        patch.setattr(registry.get(registry.PASSES, "bf16"), "apply", interrupt)
        sweep(wanted, progress=heard)
    assert heard.count("6 runs, 4 of them finished earlier") == 1
    assert heard.count("1. finetune") == heard.count("reused") == 1, "of c, on the stage of a"


def interrupt(*_):
    raise KeyboardInterrupt


def test_stages_of_a_control_are_kept_with_the_others(workplace):
    def stages(control):
        path = Path(write_recipe(workplace, "c", "pass: drop_layers, drop: [1]", "pass: finetune"))
        path.write_text(path.read_text().replace("name: c\n", f"name: c\ncontrol: {control}\n"))
        (run,) = plan_sweep(Wanted([str(path)]))
        return run.stages

    without, having = stages("false"), stages("true")
    assert having[:-1] == without
    assert having[-1].startswith("1-finetune-"), "what it shares is not named twice"
    assert stages("auto") == without, "nobody knows beforehand whether there will be one"


def test_all_faults_are_told_before_anything_runs(run, recipes):
    Path("bad.yaml").write_text(TASK.replace("label: label", "label: lable"))
    Path("worse.yaml").write_text(TASK.replace("kind: classification", "kind: classifcation"))
    write_recipe(Path(), "c", "pass: int9")
    Path("d.yaml").write_text(Path("a.yaml").read_text())
    tasks = [part for one in ("bad.yaml", "worse.yaml", "glue/sst3", "other.yaml") for part in ("--task", one)]
    code, err = run(*recipes, "c.yaml", "d.yaml", "none.yaml", *tasks, "--seed", "1", "--seed", "1")
    assert code == 2
    for part in (
        "a.yaml on bad: ",
        "no column 'lable'",
        "worse.yaml, line 1: 'kind'",
        "did you mean 'glue/sst2'?",
        "unknown pass 'int9'",
        "seed 1 is given twice",
        "a.yaml and d.yaml would both write runs/sweep/a/other/1",
        "no recipe at none.yaml",
    ):
        assert part in err
    assert len(set(err.splitlines())) == len(err.splitlines())
    assert not Path("runs").exists()


def test_options_of_ray_are_refused_without_it(run, recipes, monkeypatch):
    assert "--workers is of Ray; add --on ray" in run(*recipes, "--workers", "2")[1]
    monkeypatch.setattr("axkit.sweep.on_ray.find_spec", lambda _: None)
    code, err = run(*recipes, "--on", "ray")
    assert code == 2
    assert "pip install 'axkit[ray]'" in err


def test_a_failed_run_is_told_and_the_others_go_on(run, recipes, monkeypatch):
    drop = registry.get(registry.PASSES, "drop_layers")

    def broken(*_):
        raise ZeroDivisionError("a bug")

    def refuse(*_):
        raise AxkitError("mend this")

    with monkeypatch.context() as patch:
        patch.setattr(drop, "apply", broken)
        code, err = run("b.yaml", "a.yaml")
        assert code == 1, err
        assert "1 of 2 runs did not finish" in err
        assert "ZeroDivisionError: a bug" in err
        assert "Traceback" in err, "a bug keeps its traceback"
        found = json.loads((OUT / "sweep.json").read_text())
        assert [one["state"] for one in found["runs"]] == ["crashed", "done"]
        assert "- b on own, seed 42: ZeroDivisionError: a bug" in (OUT / "sweep.md").read_text()
        patch.setattr(drop, "apply", refuse)
        code, err = run("b.yaml", "a.yaml")
        assert code == 2
        assert "mend this" in err
        assert "Traceback" not in err
    code, err = run("a.yaml", "--set", "passes.0.epochs=2")
    assert code == 2
    assert "runs/sweep/a/own/42 holds another run" in err


def test_two_makers_of_a_stage_take_turns(tmp_path):
    """One waits until the other has finished, and says so; a store of one recipe has no locks."""
    heard, order = Heard(), []
    store = StageStore(tmp_path, shared=True, progress=heard)

    def other():
        with store.alone(tmp_path / "stage"):
            order.append("second")

    with store.alone(tmp_path / "stage"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert heard.count(f"Waiting for stage, which process {os.getpid()} on ") == 1
    with StageStore(tmp_path / "own").alone(tmp_path / "own" / "stage"):
        assert not (tmp_path / "own").exists()


def outcome(recipe, seed, score, speed, size, model="m", dense_speed=100.0, p=0.001):
    from axkit.sweep import PlannedRun

    summary = {
        "metric_name": "accuracy",
        "metric_dense": 90.0,
        "metric_result": score,
        "metric_majority": 50.0,
        "p_value_paired": p,
        "bytes_dense": 100,
        "bytes_result": size,
        "throughput_b32_per_s_dense": dense_speed,
        "throughput_b32_per_s_result": speed,
        "latency_b1_ms_p50_dense": 2.0,
        "latency_b1_ms_p50_result": 1.0,
    }
    run = PlannedRun(recipe, "t", model, seed, "", "", (), f"{recipe}/{seed}", "", "", ())
    return Outcome(run, "done", report={"summary": summary})


def test_the_frontier_is_of_means():
    outcomes = [
        *(outcome("fast", seed, score, 300.0, 50) for seed, score in ((1, 87.0), (2, 89.0))),
        *(outcome("good", seed, 90.0, 200.0, 50) for seed in (1, 2)),
        *(outcome("poor", seed, 88.5, 150.0, 60) for seed in (1, 2)),
        Outcome(outcome("lost", 1, 0, 0, 1).run, "failed", "why"),
    ]
    rows = {row.recipe: row for row in rows_of(outcomes)}
    fast = rows["fast"].figures["metric_change"]
    assert (fast.mean, fast.low, fast.high) == (-2.0, -3.0, -1.0)
    assert (rows["lost"].n, rows["lost"].runs, dict(rows["lost"].figures)) == (0, 1, {})
    every = list(rows.values())
    beaten = {row.recipe: [one.recipe for one in dominated_by(row, every)] for row in every if row.n}
    assert beaten == {"fast": [], "good": [], "poor": ["good"]}
    text = "\n".join(frontier_lines([row for row in every if row.n]))
    assert "by the means): fast, good." in text
    assert "Behind: poor, by good." in text
    assert "different models" not in text


def test_a_change_that_chance_explains_is_marked_in_every_table(tmp_path):
    outcomes = [outcome("luck", seed, 91.0, 300.0, 50, p=p) for seed, p in ((1, 0.5), (2, 0.01), (3, 0.2))]
    (row,) = rows_of(outcomes)
    assert row.verdicts == ("chance", "gain", "chance")
    text = sweep_text(outcomes, [row], [])
    assert "| +1.00 (chance: 2 of 3) |" in text
    assert text.count("| +1.00 (chance) |") == 2, "each run by itself"
    assert text.count("| +1.00 |") == 1
    assert "accuracy 91.00, +1.00 (chance), 2.00x smaller, 3.00x throughput" in line(outcomes[0])
    worse = rows_of([outcome("poor", 1, 45.0, 300.0, 50), outcome("poor", 2, 50.0, 300.0, 50)])
    assert worse[0].verdicts == ("loss", "loss")


def test_recipes_of_different_models_are_compared_with_the_slowest_dense_one():
    outcomes = [
        outcome("large", 1, 90.0, 300.0, 50, "bert", 100.0),
        outcome("small", 1, 90.0, 400.0, 40, "distilbert", 200.0),
    ]
    large, small = rows_of(outcomes)
    assert (large.speedup, small.speedup) == (3.0, 4.0), "not 3 and 2"
    assert [one.recipe for one in dominated_by(large, [large, small])] == ["small"]
    assert "multiple of the dense bert" in "\n".join(frontier_lines([large, small]))


PLUGIN = """\
import os, pathlib, signal
import axkit

class DieOnce(axkit.Pass):
    \"\"\"Kills its process at the first attempt.\"\"\"
    Config = axkit.PassConfig
    def apply(self, subject, config, tools):
        attempts = pathlib.Path("attempts")
        with attempts.open("a") as file:
            file.write(f"{os.getpid()}\\n")
        if len(attempts.read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return axkit.Result()
"""


@pytest.fixture
def die_once(workplace, monkeypatch):
    """A plugin, installed for this process and those that it starts."""
    folder = workplace / "plugins"
    meta = folder / "die_once-1.0.dist-info"
    meta.mkdir(parents=True)
    (folder / "die_once.py").write_text(PLUGIN)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: die-once\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[axkit.passes]\ndie_once = die_once:DieOnce\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    registry.forget()
    yield "pass: die_once"
    monkeypatch.undo()
    registry.forget()


@pytest.mark.loopback
def test_an_address_where_no_ray_is_is_refused_at_once(run, recipes):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, err = run(*recipes, "--on", "ray", "--address", f"ray://127.0.0.1:{port}")
    assert code == 2
    assert f"Ray at ray://127.0.0.1:{port} cannot be reached" in err


@pytest.mark.loopback
def test_a_killed_worker_loses_only_its_own_run(recipes, die_once):
    """A local Ray with two workers; the run that is killed goes on from its finished stage."""
    ray = pytest.importorskip("ray")
    from axkit.sweep.on_ray import OnRay

    heard = Heard()
    names = [write_recipe(Path(), "dies", die_once), recipes[0]]
    outcomes = sweep(Wanted(names), OnRay(workers=2, retries=1), heard)
    assert not ray.is_initialized()
    assert [(one.run.recipe, one.state, one.attempts) for one in outcomes] == [
        ("dies", "done", 2),
        ("a", "done", 1),
    ], failure(outcomes)
    assert len(set(Path("attempts").read_text().split())) == 2, "another process"
    assert outcomes[0].report["stages"][0]["reused"], "what was finished before the kill is kept"
    made = [one for one in outcomes for stage in one.report["stages"][:1] if not stage["reused"]]
    assert len(made) <= 1, "finetune is trained once"
    assert heard.count("dies on own, seed 42: WorkerCrashedError") == 1
    assert not list(OUT.rglob(".*partial*"))
    text = (OUT / "sweep.md").read_text()
    assert "started 2 times" in text
    assert "Up to 2 runs were going at a time" in text
