"""The command in processes of its own: what it imports, real signals, streams and encodings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_light_commands_leave_torch_alone(tmp_path):
    (tmp_path / "bad.yaml").write_text("axkit: 1\nname: x\nmodel: m\ntask: t\npasses: [{pass: int9}]\n")
    code = (
        "import sys\nfrom axkit.cli.app import main\n"
        "try: main()\nexcept SystemExit as e: code = e.code or 0\nelse: code = 0\n"
        "print(code, [m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    bad = str(tmp_path / "bad.yaml")
    commands = ((["passes"], 0), (["plan", bad], 2), (["passes", "int8"], 0), (["sweep", bad], 2), (["sweep", "-h"], 0))
    for arguments, expected in commands:
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == f"{expected} []", done.stdout


def test_a_real_interrupt(workplace):
    """SIGINT to the process while it trains: one sentence, exit 130, no run folder, nothing partial."""
    import signal
    import time

    # a shell's background jobs, and so some runners, inherit an ignored SIGINT: give it back its meaning
    code = "import signal; signal.signal(2, signal.default_int_handler); from axkit.cli.app import main; main()"
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
