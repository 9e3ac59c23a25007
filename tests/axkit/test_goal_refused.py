"""A step of ``compress`` that cannot be had here ends nothing but itself; bad input ends the command at once."""

from __future__ import annotations

import pytest
from conftest import Heard, write_rows, write_trained_model

import axkit
from axkit.axformer.prune import AxformerPrune
from axkit.goal import Goal
from axkit.goal.ladder import Clock, Ladder
from axkit.goal.look import Looked
from axkit.goal.outcome import Tried
from axkit.goal.rungs import Rungs
from axkit.ground.errors import (
    CheckpointError,
    DataError,
    DeviceError,
    MemoryFullError,
    NotApplicable,
    RecipeError,
    StorageError,
)
from axkit_plugins.quantize.int8 import Int8

LOOKED = Looked("model", None, "classification", True, {"kind": "classification", "files": "all.jsonl"})
FAULTS = RecipeError(["x.yaml, line 9: not here", "x.yaml, line 12: nor there"])


def ladder(refuses, error, goal, bits=("int8",)):
    """Cuts give what is asked of them, at a price; what ``refuses`` says True of raises."""

    def attempt(rung):
        if refuses(rung):
            raise error
        cut = next((one.settings["speedup"] for one in rung.passes if one.name == "axformer_prune"), 1.0)
        drop = max(0.0, 0.8 * (cut - 1) ** 2 - rung.trains)
        return Tried(rung, 90 - drop, drop, cut * (1.6 if rung.bits else 1.0), 3.9 if rung.bits else cut, 1.0)

    clock = Clock(goal.minutes, 1000, 500.0, lambda: 0.0)
    return Ladder(Rungs(goal, LOOKED), attempt, clock, bits)


def test_where_the_first_step_cannot_be_had_the_others_are_tried():
    made = ladder(lambda rung: rung.name == "int8", FAULTS, Goal(speedup=1.9), ("int8", "bf16"))
    chosen = made.climb()
    assert [one.name for one in made.tried] == ["bf16", "mended to 1.26x, bf16"]
    assert chosen is made.tried[-1]
    assert made.left_out == ["int8 was not tried: x.yaml, line 9: not here; x.yaml, line 12: nor there"]
    alone = ladder(lambda rung: rung.bits, NotApplicable("no kernels"), Goal(speedup=1.3))
    assert alone.climb().name == "mended to 1.38x", "in float32"


def test_what_held_before_is_kept_where_a_later_step_cannot_be_had():
    def cuts(rung):
        return any(one.name == "axformer_prune" for one in rung.passes)

    made = ladder(cuts, NotApplicable("no blocks to cut"), Goal(speedup=3))
    assert made.climb().name == "int8"
    assert [one.name for one in made.tried] == ["int8"]
    assert [line.partition(" was not tried: ")[2] for line in made.left_out] == ["no blocks to cut"] * 2
    assert made.left_out[-1].startswith("mended to 1.99x and trained 3 epochs, int8")
    made = ladder(lambda rung: rung.trains, MemoryFullError("the memory of cuda:0 (GPU) is full"), Goal(speedup=4))
    assert made.climb().holds(made.rungs.goal)
    assert "was not tried: the memory of cuda:0 (GPU) is full" in made.left_out[-1]
    made = ladder(lambda rung: rung.trains, FAULTS, Goal(speedup=4))
    assert made.climb().holds(made.rungs.goal)
    assert len(made.tried) > 1
    assert "trained 3 epochs, int8 was not tried: x.yaml" in made.left_out[-1]


def test_where_none_can_be_had_the_first_error_is_told():
    errors = iter([NotApplicable("first"), FAULTS, FAULTS, FAULTS])
    made = ladder(lambda rung: False, None, Goal(speedup=3), ("int8", "bf16"))

    def attempt(rung):
        raise next(errors)

    made.attempt = attempt
    with pytest.raises(NotApplicable, match="first"):
        made.climb()
    assert next(errors, None) is None, "all were tried"


@pytest.mark.parametrize("error", [DataError, CheckpointError, StorageError, DeviceError])
def test_what_all_steps_share_ends_the_command(error):
    made = ladder(lambda rung: bool(rung.passes[1:]), error("told once"), Goal(speedup=3))
    with pytest.raises(error, match="told once"):
        made.climb()
    assert not made.left_out


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """A fine-tuned tiny model and one file of rows; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("axkit.ground.cpu.expects_bfloat16", lambda: False)
    write_trained_model(tmp_path / "model")
    write_rows(tmp_path / "all.jsonl", 200, 1)
    return tmp_path


def not_here(self, family, config):
    raise NotApplicable("not on this machine")


def test_the_command_goes_on_without_the_step(brought, monkeypatch):
    monkeypatch.setattr(Int8, "check", not_here)
    heard = Heard()
    found = axkit.compress("model", "all.jsonl", size=1.05, max_drop=100, progress=heard)
    assert found.chosen.name.startswith("mended to")
    assert (found.folder / "report.json").is_file()
    assert "'int8': not on this machine" in found.left_out[0]
    assert found.to_json()["left_out"] == list(found.left_out)


def test_bad_input_is_refused_before_anything_is_tried(brought, monkeypatch):
    heard = Heard()
    write_trained_model(brought / "other", "gpt2")
    (brought / "other" / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError):
        axkit.compress("other", "all.jsonl", size=1.05, progress=heard)
    (brought / "odd.csv").write_text("sentence,label\n" + "a film,9\na play,8\n" * 30)
    with pytest.raises(DataError):
        axkit.compress("model", "odd.csv", size=1.05, progress=heard)
    for one in (Int8, AxformerPrune):
        monkeypatch.setattr(one, "check", not_here)
    with pytest.raises(RecipeError, match="'int8': not on this machine"):
        axkit.compress("model", "all.jsonl", size=1.05, progress=heard)
    assert not heard.count("Trying")
    assert not list(brought.glob("runs/*.yaml"))
