"""Two processes started by torchrun decide as one does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import write_rows
from launch import ALONE, started

from axkit.anatomy.family import family_of
from axkit.ground import processes
from axkit.ground.errors import AxkitError
from axkit.ground.processes import Processes
from axkit.ground.quiet import quiet
from axkit.testing import tiny_model, tiny_tokenizer

RECIPE = """
axkit: 1
name: shared
model: {folder}/model
task:
  kind: classification
  files: {{train: {folder}/train.jsonl, search: {folder}/search.jsonl, test: {folder}/test.jsonl}}
  text: sentence
  label: label
passes:
"""
BY_LOSS = """\
  - {pass: hard_attention, k: 5, vote: 0.3}
  - {pass: axformer_prune, vote: 0.3, tolerance: 0.1}
"""
BY_CLOCK = """\
  - {pass: structured, speedup: 1.15, timed_rows: 32}
  - {pass: axformer_prune, objective: budget, speedup: 1.4, size: 1.2, rounds: 2, max_drop: 100}
"""
# time is arithmetic in the process that decides, and noise in the others: who asks them decides otherwise
COMMAND = """
import atexit, os, random, time
from pathlib import Path
def of_gloo(path):
    try:
        return "gloo" in path.read_text()
    except OSError:  # it has just ended
        return False
def alone():  # runs last: a thread of gloo that outlives this may abort the process
    end = time.monotonic() + 10  # one that has been joined is still listed for a moment
    while any(map(of_gloo, Path("/proc/self/task").glob("*/comm"))):
        if time.monotonic() > end:
            print("threads of gloo are left", flush=True)
            os._exit(9)
        time.sleep(0.01)
atexit.register(alone)
from axkit.ground import stopwatch
def taken(device, module, *_):
    noise = random.uniform(0.1, 10) if os.environ.get("RANK", "0") != "0" else 1
    return stopwatch.Taken(noise * sum(p.numel() for p in module.parameters()) / 1e6, 0.0)
stopwatch.taken = taken
from axkit.__main__ import main
main()
"""
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture
def place(tmp_path):
    with quiet():
        tiny_model(family_of("bert"), 1).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    for seed, name in enumerate(("train", "search", "test")):
        write_rows(tmp_path / f"{name}.jsonl", 300, seed)  # enough to screen, where the processor has bfloat16
    (tmp_path / "command.py").write_text(COMMAND)
    return tmp_path


def applied(place, passes, launcher, out):
    """(report.json, report.md, journal) of a run."""
    (place / "shared.yaml").write_text(RECIPE.format(folder=place) + passes)
    command = [*launcher, str(place / "command.py"), "apply", str(place / "shared.yaml"), "--out", str(place / out)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**ALONE, "OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("Written to") == 1
    folder = place / out / "shared"
    journal = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return json.loads((folder / "report.json").read_text()), (folder / "report.md").read_text(), journal


@pytest.mark.slow
@pytest.mark.parametrize("passes", [BY_LOSS, BY_CLOCK])
def test_two_processes_decide_as_one(place, passes):
    one, text, journal = applied(place, passes, [sys.executable], "one")
    both, text_of_both, journal_of_both = applied(place, passes, TORCHRUN, "two")
    assert (one["summary"]["processes"], both["summary"]["processes"]) == (1, 2)
    assert "2 processes of 1 threads" in text_of_both
    assert "processes of" not in text
    decisions = [
        [[line.get(name) for name in ("element", "accepted", "share", "speedup", "size")] for line in lines]
        for lines in (journal, journal_of_both)
    ]
    assert decisions[0] == decisions[1]
    assert any(line.get("accepted") for line in journal)
    assert one["stages"][-1]["structure"] == both["stages"][-1]["structure"]
    assert one["summary"]["metric_result"] == both["summary"]["metric_result"]


SHARES = """
import json, sys
import axkit
from axkit.run.recipe import load_source
runs = [axkit.apply(load_source(sys.argv[1]), sys.argv[2], stages=sys.argv[3]) for _ in range(2)]
print(json.dumps([[stage.record.reused for stage in run.stages] for run in runs]))
"""


@pytest.mark.slow
def test_two_processes_in_a_folder_of_stages_that_runs_share(place):
    """One of them holds the locks; the other must neither wait for them nor look before they are held."""
    recipe = place / "shared.yaml"
    recipe.write_text(RECIPE.format(folder=place) + "  - {pass: hard_attention, k: 5}\n  - pass: int8\n")
    codes, said = started(SHARES, str(recipe), str(place / "runs"), str(place / "stages"))
    assert codes == [0, 0], said
    assert [json.loads(text.splitlines()[-1]) for text in said] == [[[False, False], [True, True]]] * 2


def test_a_launcher_of_copies_is_refused_and_accelerates_is_told():
    assert processes.current({}).count == 1
    assert not processes.note({})
    assert "torchrun" in processes.note({"ACCELERATE_DYNAMO_MODE": "default"})
    assert not processes.note({"ACCELERATE_DYNAMO_MODE": "default", "WORLD_SIZE": "2"})
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        assert processes.current({name: "1"}).count == 1
        with pytest.raises(AxkitError, match=rf"2 processes were started \({name}\).*torchrun"):
            processes.current({name: "2"})


@pytest.mark.slow
def test_accelerates_launcher_starts_one_and_says_so(place):
    """The premise of the note: if it came to start two, this test would tell."""
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "axkit", "apply", str(place / "none.yaml")]
    run = subprocess.run(launch, capture_output=True, text=True, timeout=100, env=ALONE)
    assert run.stderr.count("accelerate launch started one process") == 1


@pytest.mark.parametrize("found", [{"WORLD_SIZE": "two"}, {"WORLD_SIZE": "-1"}])
def test_a_count_that_is_none_is_refused(found):
    with pytest.raises(AxkitError, match=r"WORLD_SIZE is '.*torchrun"):
        processes.current(found)


@pytest.mark.slow
def test_processes_that_do_not_find_each_other_are_told():
    """A count alone, as a shell that is inside another job may have it."""
    run = subprocess.run(
        [sys.executable, "-m", "axkit", "apply", "none.yaml"],
        capture_output=True,
        text=True,
        env={**ALONE, "WORLD_SIZE": "2"},
    )
    assert run.returncode == 2, run.stderr[-2000:]
    assert run.stderr.startswith("error: the processes of this run did not find each other")
    assert "torchrun" in run.stderr
    assert run.stderr.count("\n") == 1


def test_one_process_talks_to_itself():
    alone = Processes()
    assert alone.is_main
    assert alone.gather({"a": 1}) == [{"a": 1}]
    with alone.together():
        alone.wait()
