"""What a run keeps when it is interrupted, and that it then comes to the same result."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axkit.ground import registry
from axkit.report import write_run
from axkit.run.engine import apply
from axkit.run.recipe import load_source

SMALL = ["passes.0.epochs=1", "passes.2.groups=2", "passes.2.tolerance=0.2", "passes.2.vote=0.1", "name=small"]


def test_what_a_pass_leaves_in_its_scratch_is_there_until_the_stage_is_finished(workplace, monkeypatch):
    finetune, seen = registry.get(registry.PASSES, "finetune"), []
    real = finetune.apply

    def interrupted(self, subject, config, tools):
        seen.append(sorted(path.name for path in tools.scratch.iterdir()))
        (tools.scratch / "half").write_text("done")
        if len(seen) == 1:
            raise KeyboardInterrupt
        return real(self, subject, config, tools)

    monkeypatch.setattr(finetune, "apply", interrupted)
    source = load_source("recipe.yaml", ["passes.0.epochs=0.1", "passes.1.k=4", "passes.2.groups=1"])
    with pytest.raises(KeyboardInterrupt):
        apply(source)
    apply(source)
    assert seen == [[], ["half"]]
    assert not list((workplace / "runs").rglob("*scratch*"))
    with pytest.raises(KeyboardInterrupt):
        seen.clear()
        apply(source, fresh=True)
    assert list((workplace / "runs").rglob("*scratch*"))
    seen.append([])
    apply(source, fresh=True)
    assert seen[-1] == [], "a fresh run finds nothing"


def result(source, *, out="runs", fresh=False):
    """The files of a run folder that must be the same whenever it is made: all but those that hold timings."""
    folder = Path(out) / "made"
    write_run(apply(source, out, fresh=fresh), folder)
    timed = ("report.json", "report.md", "report.html", "README.md", "journal.jsonl")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in timed}


def same(found, expected):
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


def test_twice_resumed_and_with_stages_deleted_it_is_the_same_model(workplace, monkeypatch):
    source = load_source("recipe.yaml", SMALL)
    expected = result(source)
    assert {"model.safetensors", "axkit.json", "config.json", "tokenizer.json", "recipe.yaml"} <= set(expected)
    same(result(source, out="second"), expected)
    stages = Path("runs/.stages/small")
    for name in ("0-finetune", "2-axformer", "1-hard", "3-int8"):
        for path in stages.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        same(result(source), expected)
    for name in ("hard_attention", "axformer_prune", "int8"):  # each kills the run once
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(registry.get(registry.PASSES, name), "apply", interrupt)
            result(source, out="third")
    same(result(source, out="third"), expected)


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_copied_and_touched_model_is_not_trained_again(workplace):
    expected = result(load_source("recipe.yaml", SMALL))
    shutil.copytree("model", "copy")
    run = apply(load_source("recipe.yaml", [*SMALL, "model=copy"]))
    assert all(stage.record.reused for stage in run.stages)
    found = result(load_source("recipe.yaml", [*SMALL, "model=copy"]))
    assert b"model: ../../copy" in found.pop("recipe.yaml")
    same(found | {"recipe.yaml": expected["recipe.yaml"]}, expected)


def test_a_finished_run_drops_only_what_no_run_uses(workplace):
    source = load_source("recipe.yaml", SMALL)
    apply(source)
    kept = sorted(path.name for path in Path("runs/.stages/small").iterdir())
    apply(load_source("recipe.yaml", [*SMALL, "passes.2.groups=3"]))
    now = sorted(path.name for path in Path("runs/.stages/small").iterdir())
    shared = set(kept) & set(now)
    assert {name.partition("-")[0] for name in shared if name[0] != "-"} == {"0", "1"}
    assert len(now) == len(kept)


COMMAND = "import signal; signal.signal(2, signal.default_int_handler); from axkit.cli.app import main; main()"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_whoever_ends_it_is_told_what_stays(workplace, number, code):
    command = [sys.executable, "-c", COMMAND, "apply", "recipe.yaml", "--set", "passes.0.epochs=100"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "1. finetune" in line:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err.count("error: interrupted; finished stages are kept in runs/.stages") == 1
    assert "Traceback" not in err
    assert [path.name for path in Path("runs").iterdir()] == [".stages"]


def test_two_at_once_take_turns_and_the_second_is_told(workplace):
    """The second waits for the first, sees that the folder is there now, and has lost nothing."""
    small = [part for one in SMALL for part in ("--set", one)]
    command = [sys.executable, "-m", "axkit", "apply", "recipe.yaml", *small]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], told
    late = told[[process.returncode for process in both].index(2)]
    assert "Traceback" not in late
    assert "runs/small exists already; add --force" in late
    assert f"Waiting for runs/.stages/small, which process {both[both[0].returncode == 2].pid} on " in late


def test_output_that_cannot_be_written_is_refused_before_data_is_read(workplace, monkeypatch, capsys):
    from command import axkit, refused

    (workplace / "full").write_text("a file")
    (workplace / "train.jsonl").unlink()
    at_once = axkit("apply", "recipe.yaml", "--out", "full", monkeypatch=monkeypatch, capsys=capsys)
    assert refused(at_once, "full/tiny cannot be written: ", "full is a file; choose another --out")
