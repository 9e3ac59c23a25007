"""Sweeps: planned all at once, stages made once, finished runs kept, failures told, killed workers replaced."""

from __future__ import annotations

import json
import socket
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from conftest import Heard
from pages import faults

from axkit.cli import app as cli
from axkit.ground import registry
from axkit.ground.errors import AxkitError
from axkit.sweep import Wanted, failure, sweep
from axkit.sweep.plan import plan_sweep

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
    dense = {one.run.name: one.report.summary.quality.dense.points for one in outcomes}
    assert dense["a on other, seed 1"] == dense["b on other, seed 1"]

    found = json.loads((OUT / "sweep.json").read_text())
    assert [(row["recipe"], row["n"]) for row in found["rows"]] == [("a", 2), ("b", 2)]
    for figure in found["rows"][0]["figures"].values():
        assert figure["low"] <= figure["mean"] <= figure["high"]
    for one in found["runs"]:
        assert (OUT / one["folder"] / "model.safetensors").is_file()
    drawn = ElementTree.fromstring((OUT / "frontier-other.svg").read_text())
    words = [one.text or "" for one in drawn.iter()]
    assert [sum(one.startswith(start) for one in words) for start in ("1  a: ", "2  b: ", "dense ")] == [1, 1, 1]
    page = (OUT / "sweep.html").read_text()
    assert faults(page) == []
    assert "<svg" in page
    assert "On the frontier" in page
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
    assert "pip install 'ray[client]>=2.50,<3'" in err


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
    assert outcomes[0].report.stages[0].reused, "what was finished before the kill is kept"
    made = [one for one in outcomes for stage in one.report.stages[:1] if not stage.reused]
    assert len(made) <= 1, "finetune is trained once"
    assert heard.count("dies on own, seed 42: WorkerCrashedError") == 1
    assert not list(OUT.rglob(".*partial*"))
    text = (OUT / "sweep.md").read_text()
    assert "started 2 times" in text
    assert "Up to 2 runs were going at a time" in text
