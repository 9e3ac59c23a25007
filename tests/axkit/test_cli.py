"""The command line as a user meets it: what it lists and plans, the main job, and what stays of an unfinished one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from command import refused
from pydantic import Field

from axkit import InnerStep, Pass, PassConfig
from axkit.cli import app as cli
from axkit.cli.listing import settings_of
from axkit.ground import registry


def test_lists(run):
    for command, name in (("passes", "int8"), ("families", "roberta"), ("tasks", "glue/sst2"), ("models", "embedded:")):
        code, out, _ = run(command)
        assert code == 0
        assert name in out


LISTS = {
    "passes": ["name", "for", "from"],
    "recipes": ["name", "for"],
    **{name: ["name", "from", "object"] for name in ("families", "tasks", "models", "runtimes", "kinds")},
}


@pytest.mark.parametrize("command", LISTS)
def test_lists_as_json(run, command):
    code, out, _ = run(command, "--json")
    assert code == 0
    assert {tuple(one) for one in json.loads(out)} == {tuple(LISTS[command])}


def test_all_about_one_as_json(run):
    told = json.loads(run("passes", "gptq", "--json")[1])
    assert told["paper"] == registry.get(registry.PASSES, "gptq").paper
    assert {"setting": "budget.max_drop", "type": "number"}.items() <= told["settings"][-1].items()
    assert told["installed_by"]
    kind = json.loads(run("kinds", "classification", "--json")[1])
    assert {one["metric"]: one["decides"] for one in kind["metrics"]}["accuracy"] is True
    _, out, _ = run("recipes", "vit-digits", "--json")
    assert json.loads(out)["recipe"] == run("recipes", "vit-digits")[1]


def test_whatever_tells_something_tells_it_as_json_too():
    commands = cli.cli.commands.items()
    without = {name for name, one in commands if not any("--json" in option.opts for option in one.params)}
    assert without == {"push", "new-plugin"}, "which only say what they have written"


def test_passes_are_listed_by_what_they_are_for(run):
    _, out, _ = run("passes")
    assert "four times smaller" in out
    assert "axkit_plugins" not in out, "no path of an object"


def test_a_pass_tells_all(run):
    code, out, _ = run("passes", "axformer_prune")
    assert code == 0
    for part in ("2010.03688", "float_weights", "tolerance", ">= 0", "0.5", "axkit 0"):
        assert part in out
    refused(run("passes", "axformer_prone"), "did you mean 'axformer_prune'")


def test_every_pass_of_ours_says_what_it_is_for_and_where_from(run):
    ours = [e for e in registry.entries(registry.PASSES).values() if e.distribution.startswith("axkit ")]
    assert len(ours) > 10
    for entry in ours:
        code, out, _ = run("passes", entry.name)
        assert code == 0
        made, text = entry.load(), " ".join(out.split())
        assert made.purpose
        assert made.paper
        assert f"for: {made.purpose}" in text
        assert made.paper in text
        assert f"requires: {', '.join(sorted(made.requires))}" in text
        assert all(package in text for package in made.missing_packages())


class Odd(PassConfig):
    """Settings of many types."""

    share: float | None = Field(None, gt=0, le=1, description="[bold]Told[/bold] as it is.")
    words: list[Literal["x", "y"]] = Field(["x"])
    either: Annotated[int, Field(ge=2)] | Annotated[float, Field(lt=1)] = 2
    inner: InnerStep | None = None
    names: dict[str, int] = Field(default_factory=dict)
    same: bool
    way: Literal["a", "b"] = "a"


class OddPass(Pass[Odd]):
    """Does nothing."""

    holds_budget = "share"

    def apply(self, subject, config, tools):
        raise NotImplementedError


def test_settings_are_told_as_a_recipe_writes_them(run):
    with registry.at_hand(registry.PASSES, "odd", OddPass):
        assert "[bold]Told[/bold]" in run("passes", "odd")[1]
    assert [row[:4] for row in settings_of(OddPass)] == [
        ("share", "number or null", "null", "> 0, <= 1"),
        ("words", "list of x | y", '["x"]', ""),
        ("either", "integer or number", "2", ">= 2 or < 1"),
        ("inner", "map or null", "null", ""),
        ("names", "map", "", ""),
        ("same", "boolean", "required", ""),
        ("way", "a | b", "a", ""),
        ("budget.max_drop", "number", "", ">= 0"),
    ]
    assert settings_of(OddPass)[-1][-1].endswith("it fills share in.")


def test_plan_says_what_is_foreseen(run, workplace, monkeypatch):
    monkeypatch.setattr("axkit_plugins.half.expects_bfloat16", lambda: False)
    with (workplace / "recipe.yaml").open("a") as file:
        file.write("  - pass: bf16\n")
    text = (workplace / "recipe.yaml").read_text().replace("  - pass: int8\n    budget: {max_drop: 50}\n", "")
    (workplace / "recipe.yaml").write_text(text)
    code, out, _ = run("plan", "recipe.yaml")
    assert code == 0
    assert "note   3 bf16: this processor has no bfloat16 instructions: half the size, but slower" in " ".join(
        out.split(" ")
    )


def test_plan_shows_and_trains_nothing(run, workplace):
    code, out, _ = run("plan", "recipe.yaml")
    assert code == 0
    for part in ("60 test", "hard_attention", "k: 5", "Nothing was trained"):
        assert part in out
    assert not (workplace / "runs").exists()


def test_the_main_job(run, workplace):
    code, out, err = run("apply", "recipe.yaml")
    assert code == 0, err
    assert "smaller on disk" in out
    folder = workplace / "runs" / "tiny"
    names = {p.name for p in folder.iterdir()}
    wanted = "model.safetensors config.json tokenizer.json axkit.json recipe.yaml journal.jsonl"
    wanted += " README.md report.html report.md report.json"
    assert set(wanted.split()) <= names
    report = json.loads((folder / "report.json").read_text())
    summary = report["summary"]
    for key in SUMMARY:
        assert key in summary, key
    assert summary["bytes_result"] < summary["bytes_dense"]
    assert [stage["pass"] for stage in report["stages"]] == ["finetune", "hard_attention", "axformer_prune", "int8"]
    for stage in report["stages"]:
        for key in ("metric_search", "bytes", "parameters", "latency_b1_ms_p50", "throughput_b32_per_s", "wall_s"):
            assert stage[key] > 0, key
    assert summary["metric_dense"] > 90, "premise: a task of one word is learned"

    code, again, _ = run("eval", str(folder))
    assert code == 0
    assert f"{summary['metric_result']:.2f}" in again
    assert f"/.stages/tiny/{summary['dense_stage']} ({summary['metric_dense']:.2f}): " in again
    code, out, _ = run("bench", str(folder), "--against", str(folder), "--rounds", "6", "--seconds", "0", "--no-memory")
    assert code == 0
    assert f"Beside {folder}, round by round" in out
    code, out, _ = run("predict", str(folder), "the film was good")
    assert code == 0
    assert out.splitlines()[0].startswith("1\t0.9")

    refused(run("apply", "recipe.yaml"), "exists already", "--force")
    code, _, err = run("apply", str(folder / "recipe.yaml"), "--force")
    assert code == 0
    assert err.count("finished earlier, reused") == 4
    second = json.loads((folder / "report.json").read_text())["summary"]
    for key in ("metric_dense", "metric_result", "bytes_result", "parameters_result"):
        assert second[key] == summary[key]


SUMMARY = """metric_name metric_dense metric_result metric_result_low metric_result_high p_value_paired metric_majority
bytes_dense bytes_result parameters_dense parameters_result latency_b1_ms_p50_dense latency_b1_ms_p50_result
throughput_b32_per_s_dense throughput_b32_per_s_result wall_s peak_memory_bytes""".split()


def test_interrupted_keeps_what_was_finished(run, workplace, monkeypatch):
    from axkit.axformer.prune import AxformerPrune

    real = AxformerPrune.apply

    def interrupt(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(AxformerPrune, "apply", interrupt)
    code, _, err = run("apply", "recipe.yaml")
    assert code == 130
    assert err.count("error: interrupted; finished stages are kept") == 1
    assert "run the same command to go on" in err
    assert not (workplace / "runs" / "tiny").exists()
    monkeypatch.setattr(AxformerPrune, "apply", real)
    code, _, err = run("apply", "recipe.yaml")
    assert code == 0
    assert err.count("finished earlier, reused") == 2


def test_a_full_disk_keeps_what_was_finished(run, workplace, monkeypatch):
    import errno

    real = Path.write_text

    def full(self, *args, **kwargs):
        if self.name == "report.md":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    refused(run("apply", "recipe.yaml"), "No space left", "Finished stages are kept")
    assert [p.name for p in (workplace / "runs").iterdir()] == [".stages"]


def test_help_lists_every_command():
    out = CliRunner().invoke(cli.cli, ["--help"]).output
    for name in ("apply", "plan", "sweep", "passes", "families", "tasks", "models", "eval", "bench", "predict"):
        assert name in out


def test_figures_as_json(run, workplace):
    """Every command that prints figures prints them as JSON too, and nothing beside them."""
    code, out, err = run("plan", "recipe.yaml", "--json")
    assert code == 0, err
    planned = json.loads(out)
    assert planned["task"]["rows"] == {"train": 139, "search": 21, "test": 60}
    assert [one["changed"] for one in planned["passes"]][1:3] == [{"k": 5}, {}]
    assert planned["passes"][2]["settings"]["vote"] == 0.5
    assert planned["measured_against"] == 0
    code, out, err = run(
        "apply", "recipe.yaml", "--json", "--set", "passes=[{pass: finetune, epochs: 1}, {pass: int8}]"
    )
    assert code == 0, err
    report = json.loads(out)
    assert report["summary"]["bytes_result"] > 0
    code, out, err = run("eval", report["folder"], "--json")
    assert code == 0, err
    assert json.loads(out)["score"] == report["summary"]["metric_result"]
    code, out, _ = run("predict", report["folder"], "the film was good", "--json")
    assert sum(json.loads(out).values()) == 1 or abs(sum(json.loads(out).values()) - 1) < 1e-6
    quick = ("--set", "passes=[{pass: finetune, epochs: 0.1}]", "--json", "--out", "sweep")
    code, out, err = run("sweep", "recipe.yaml", *quick)
    assert code == 0, err
    assert [one["recipe"] for one in json.loads(out)["runs"]] == ["tiny"]


def test_a_plan_tells_what_may_come_of_it(run, workplace):
    passes = "passes=[{pass: finetune}, {pass: axformer_prune, objective: budget, speedup: 1.8}, {pass: bf16}]"
    code, out, err = run("plan", "recipe.yaml", "--set", passes)
    assert code == 0, err
    assert "gain   expected 1 times or more the throughput, 2 to 3.6 times smaller" in out
    assert "all as by default" in out
    code, out, _ = run("plan", "recipe.yaml", "--set", passes.replace(", {pass: bf16}", ", {pass: hard_attention}"))
    assert "expected 1 to 1.8 times the throughput, 1 to 1.8 times smaller" in out
    assert "not foreseen: hard_attention" in out
