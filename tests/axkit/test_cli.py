"""The command line as a user meets it: exit codes, one sentence, nothing half-written, torch left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command import axkit, refused

from axkit import cli, registry


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda *arguments: axkit(*arguments, monkeypatch=monkeypatch, capsys=capsys)


def test_lists(run):
    for command, name in (("passes", "int8"), ("families", "roberta"), ("tasks", "glue/sst2"), ("models", "embedded:")):
        code, out, _ = run(command)
        assert code == 0
        assert name in out


def test_a_pass_tells_all(run):
    code, out, _ = run("passes", "axformer_prune")
    assert code == 0
    for part in ("2010.03688", "float_weights", "tolerance", ">= 0", "0.5", "axkit 0"):
        assert part in out
    refused(run("passes", "axformer_prone"), "did you mean 'axformer_prune'")


def test_light_commands_leave_torch_alone(tmp_path):
    (tmp_path / "bad.yaml").write_text("axkit: 1\nname: x\nmodel: m\ntask: t\npasses: [{pass: int9}]\n")
    code = (
        "import sys\nfrom axkit.cli import main\n"
        "try: main()\nexcept SystemExit as e: code = e.code or 0\nelse: code = 0\n"
        "print(code, [m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    bad = str(tmp_path / "bad.yaml")
    commands = ((["passes"], 0), (["plan", bad], 2), (["passes", "int8"], 0), (["sweep", bad], 2), (["sweep", "-h"], 0))
    for arguments, expected in commands:
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == f"{expected} []", done.stdout


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


def test_plan_says_what_is_foreseen(run, workplace, monkeypatch):
    monkeypatch.setattr("axkit_plugins.bf16.expects_bfloat16", lambda: False)
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
    wanted = "model.safetensors config.json tokenizer.json axkit.json report.md report.json recipe.yaml journal.jsonl"
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
    code, out, _ = run("bench", str(folder), "--against", str(folder))
    assert code == 0
    assert "the throughput" in out
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


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("task.text=sentense", "no column 'sentense'"),
        ("task.label=lable", "no column 'lable'"),
        ("task.files.train=nowhere.jsonl", "does not exist"),
        ("task.files.train=empty.jsonl", "is empty"),
        ("task.files.train=broken.jsonl", "not valid jsonl"),
        ("task.files.train=nolabel.jsonl", "row 2: label None"),
        ("task.files.test=other.jsonl", "label 7 is outside 0..1"),
        ("task.files.train=oneclass.jsonl", "two labels or more"),
        ("task.files.train=notext.jsonl", "holds no text"),
        ("model=nofolder", "cannot be had from the hub"),
        ("model=./nofolder", "is no folder"),
        ("model=notmodel", "has no config.json"),
        ("model=pickled", "pickle"),
        ("model=truncated", "truncated"),
        ("model=three", "promises DistilBertForSequenceClassification with 3 outputs"),
        ("model=strange", "knows no family 'mamba'"),
        ("task=glue/cola", "cannot be had from the hub"),
        ("passes=[{pass: int8}]", "no trained head"),
        ("samples.train=0", "greater than or equal to 1"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(run, workplace, setting, part):
    def rows(name, *lines):
        (workplace / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    row = {"sentence": "good", "label": 1}
    (workplace / "empty.jsonl").write_text("")
    (workplace / "broken.jsonl").write_text('{"sentence": "a", \n')
    rows("nolabel.jsonl", row, {"sentence": "bad", "label": None})
    rows("other.jsonl", {"sentence": "bad", "label": 7})
    rows("oneclass.jsonl", *[{"sentence": f"good {i}", "label": 0} for i in range(30)])
    rows("notext.jsonl", row, {"sentence": " ", "label": 0})
    (workplace / "notmodel").mkdir()
    for name, files in {"pickled": ["config.json"], "truncated": ["config.json", "model.safetensors"]}.items():
        (workplace / name).mkdir()
        for file in files:
            (workplace / name / file).write_bytes(
                (workplace / "model" / file).read_bytes()[: None if file == "config.json" else 999]
            )
    (workplace / "pickled" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    for name, change in {
        "three": {"architectures": ["DistilBertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}},
        "strange": {"model_type": "mamba"},
    }.items():
        (workplace / name).mkdir()
        for path in (workplace / "model").iterdir():
            (workplace / name / path.name).write_bytes(path.read_bytes())
        config = json.loads((workplace / name / "config.json").read_text())
        (workplace / name / "config.json").write_text(json.dumps(config | change))
    before = {p.name for p in workplace.iterdir()} | {"hf"}
    lines = refused(run("apply", "recipe.yaml", "--set", setting), part)
    assert len(lines) == 1
    assert {p.name for p in workplace.iterdir()} <= before


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


def test_usage_errors_exit_with_2(run):
    assert run("aply")[0] == 2
    assert run("apply")[0] == 2


def test_help_lists_every_command():
    out = CliRunner().invoke(cli.cli, ["--help"]).output
    for name in ("apply", "plan", "sweep", "passes", "families", "tasks", "models", "eval", "bench", "predict"):
        assert name in out


def test_a_real_interrupt(workplace):
    """SIGINT to the process while it trains: one sentence, exit 130, no run folder, nothing partial."""
    import signal
    import time

    # a shell's background jobs, and so some runners, inherit an ignored SIGINT: give it back its meaning
    code = "import signal; signal.signal(2, signal.default_int_handler); from axkit.cli import main; main()"
    command = [sys.executable, "-c", code, "apply", "recipe.yaml", "--set", "passes.0.epochs=100"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "1. finetune" in line:
            break
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; finished stages are kept" in err
    assert "Traceback" not in err
    assert not (workplace / "runs" / "tiny").exists()
    assert not [p for p in workplace.rglob("*") if "partial" in p.name]


def process(folder, *arguments, **environment):
    """The command in a process of its own: streams, encoding and exit code are real."""
    command = [sys.executable, "-m", "axkit", *arguments]
    return subprocess.run(command, capture_output=True, cwd=folder, env={**os.environ, **environment}, check=False)


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}],
)
def test_a_terminal_that_knows_no_other_script(workplace, environment):
    text = (
        (workplace / "recipe.yaml").read_text().replace("label: label", "label: label\n  label_names: [x, großartig]")
    )
    (workplace / "recipe.yaml").write_text(text, encoding="utf-8")
    done = process(workplace, "plan", "recipe.yaml", **environment)
    assert done.returncode == 0, done.stderr
    assert b"gro\\xdfartig" in done.stdout
    done = process(workplace, "plan", "größe.yaml", **environment)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith(b"error: ")]) == 1


def test_a_reader_that_goes_away(workplace):
    read, write = os.pipe()
    os.close(read)
    for command in (["passes"], ["passes", "int8"], ["plan", "recipe.yaml"], ["tasks"]):
        done = subprocess.run(
            [sys.executable, "-m", "axkit", *command], stdout=write, stderr=subprocess.PIPE, check=False
        )
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
    os.close(write)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["apply", "recipe.yaml", "--ot", "x"], "--out"),
        (["apply", "recipe.yaml", "--nothing"], "No such option"),
        (["apply"], "Missing argument 'RECIPE'; 'axkit apply --help' tells what there is"),
        (["apply", "a.yaml", "b.yaml"], "unexpected extra argument (b.yaml)"),
        (["sweep", "recipe.yaml", "--seed", "x"], "--seed"),
        (["sweep", "recipe.yaml", "--seed", "-1"], "--seed"),
        (["sweep"], "Missing argument"),
        (["eval", "x", "--split", "dev"], "--split"),
        (["aply"], "No such command 'aply'"),
        (["--nothing"], "'axkit --help' tells what there is"),
        (["apply", ""], "no recipe at an empty path"),
        (["apply", "."], "is a folder, no file"),
        (["apply", "nowhere.yaml"], "no recipe at nowhere.yaml"),
        (["apply", "x" * 300], "File name too long"),
        (["apply", "model/config.json"], "'axkit' is missing"),
        (["apply", "model/model.safetensors"], "is no UTF-8 text"),
        (["apply", "recipe.yaml", "--model", ""], "'model'"),
        (["apply", "recipe.yaml", "--model", "a: b"], "a: b"),
        (["apply", "recipe.yaml", "--model", "~/nowhere"], "is no folder with a checkpoint"),
        (["apply", "recipe.yaml", "--task", ""], "unknown task ''"),
        (["apply", "recipe.yaml", "--task", "{kind: "], "--set task"),
        (["apply", "recipe.yaml", "--out", "x" * 300], "File name too long"),
        (["apply", "recipe.yaml", "--out", "recipe.yaml"], "recipe.yaml"),
        (["sweep", "recipe.yaml", "--task", "nowhere.yaml"], "no task at nowhere.yaml"),
        (["sweep", "recipe.yaml", "--task", "recipe.yaml"], "'task'"),
        (["eval", ""], ""),
        (["eval", "nowhere"], "nowhere"),
        (["eval", "recipe.yaml"], "recipe.yaml"),
        (["bench", "x" * 300], "xxx"),
        (["predict", "/dev/null", "a"], "/dev/null"),
        (["passes", "a\nb"], "unknown pass"),
    ],
)
def test_odd_arguments_are_one_sentence(run, workplace, arguments, part):
    assert len(refused(run(*arguments), part)) >= 1
    assert not (workplace / "runs").exists()


def test_many_faults_are_cut(run, workplace):
    with (workplace / "recipe.yaml").open("a") as file:
        file.writelines(f"key{index}: 1\n" for index in range(500))
    lines = refused(run("apply", "recipe.yaml"), "and 450 more like these")
    assert len(lines) == 51
