"""Two processes started by torchrun decide as one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from conftest import write_rows

from axkit import processes
from axkit.anatomy.family import family_of
from axkit.errors import AxkitError
from axkit.processes import Processes
from axkit.quiet import quiet
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
import os, random
from axkit import measure
from axkit.axformer import clock
def seconds(module, *_):
    noise = random.uniform(0.1, 10) if os.environ.get("RANK", "0") != "0" else 1
    return noise * sum(p.numel() for p in module.parameters()) / 1e6
clock._seconds = measure._seconds = seconds
from axkit.__main__ import main
main()
"""
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ALONE = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}


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


def started(script, *arguments):
    """Two processes of a script, as a launcher starts them; (exit codes, what they said)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {**ALONE, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**here, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=200)[0] for process in both]
    finally:
        for process in both:  # those that wait for each other would outlive the test
            process.kill()
    return [process.returncode for process in both], said


TALK = """
import json, sys
import numpy as np
from axkit.processes import current
here = current()
assert current() is here
found = [here.rank, here.count, here.sum(np.array([0.1, here.rank])).tolist(), here.largest(here.rank)]
print(json.dumps([*found, here.gather({"é": "x" * (3 + 4 * here.rank)})]))
"""


@pytest.mark.slow
def test_processes_see_each_other():
    codes, said = started(TALK)
    assert codes == [0, 0], said
    shared = [2, [0.2, 1.0], 1, [{"é": "x" * 3}, {"é": "x" * 7}]]
    assert [json.loads(text.splitlines()[-1]) for text in said] == [[0, *shared], [1, *shared]]


DIES = """
import os, sys
from axkit.errors import AxkitError
from axkit.processes import current
here = current()
here.wait()
if here.rank == int(sys.argv[1]):
    os.kill(os.getpid(), 9)
try:
    here.wait()
except AxkitError as error:
    sys.exit(f"told: {error}")
"""
DIES_IN_TRAINING = """
import os, sys
from dataclasses import replace
from pathlib import Path
from transformers import Trainer
from axkit.anatomy.family import family_of
from axkit.errors import AxkitError
from axkit.processes import current
from axkit.testing import tiny_subject, tiny_tools
from axkit_plugins.finetune import Finetune
here, steps, compute = current(), 0, Trainer.training_step
def step(*args, **kwargs):
    global steps
    steps += 1
    if steps == 3 and here.rank == 1:
        os.kill(os.getpid(), 9)
    return compute(*args, **kwargs)
Trainer.training_step = step
tools = replace(tiny_tools(Path(sys.argv[1])), processes=here, scratch=None)
try:
    Finetune().apply(tiny_subject(family_of("bert")), Finetune.Config(epochs=4, batch_size=8), tools)
except AxkitError as error:
    sys.exit(f"told: {error}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("dying", [0, 1])
def test_a_process_that_dies_ends_the_others_with_a_sentence(dying):
    codes, said = started(DIES, str(dying))
    assert codes[dying] == -9
    assert codes[1 - dying] == 1
    assert "told: process" in said[1 - dying]
    assert "because another one has ended" in said[1 - dying]
    assert "Traceback" not in said[1 - dying]


@pytest.mark.slow
def test_a_process_that_dies_in_a_training_ends_the_others_too(tmp_path):
    codes, said = started(DIES_IN_TRAINING, str(tmp_path))
    assert codes == [1, -9], said
    assert "because another one has ended" in said[0]
    assert "Traceback" not in said[0]


SHARES = """
import json, sys
import axkit
from axkit.recipe import load_source
runs = [axkit.apply(load_source(sys.argv[1]), sys.argv[2], stages=sys.argv[3]) for _ in range(2)]
print(json.dumps([[stage.record["reused"] for stage in run.stages] for run in runs]))
"""


@pytest.mark.slow
def test_two_processes_in_a_folder_of_stages_that_runs_share(place):
    """One of them holds the locks; the other must neither wait for them nor look before they are held."""
    recipe = place / "shared.yaml"
    recipe.write_text(RECIPE.format(folder=place) + "  - {pass: hard_attention, k: 5}\n  - pass: int8\n")
    codes, said = started(SHARES, str(recipe), str(place / "runs"), str(place / "stages"))
    assert codes == [0, 0], said
    assert [json.loads(text.splitlines()[-1]) for text in said] == [[[False, False], [True, True]]] * 2


TRAINS = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
from transformers import Trainer
from axkit.anatomy.family import family_of
from axkit.processes import current
from axkit.testing import tiny_subject, tiny_tools
from axkit_plugins.quantize.q8bert import Q8bert
from axkit_plugins.training import checkpoints, going_on
going_on._COST, here, left, compute = 0, current(), int(sys.argv[2]), Trainer.training_step
def step(*args, **kwargs):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)
    return compute(*args, **kwargs)
Trainer.training_step = step
folder = Path(sys.argv[1])
tools = replace(tiny_tools(folder), processes=here, scratch=folder / "kept")
subject = tiny_subject(family_of("bert"))
config = Q8bert.Config(epochs=3, batch_size=8, learning_rate=1e-3, checkpoint=1e-6)
result = Q8bert().apply(subject, config, tools)
print(json.dumps([checkpoints.fingerprint(subject.module), result.facts["steps"], result.state]))
"""


@pytest.mark.slow
def test_a_training_of_two_processes_goes_on_where_both_were_killed(tmp_path):
    """40 rows, 4 of them in each process's batch: 5 steps an epoch; killed within the second."""
    kept = tmp_path / "killed"
    codes, said = started(TRAINS, str(tmp_path / "undisturbed"), "0")
    assert codes == [0, 0], said
    wanted = [json.loads(text.splitlines()[-1]) for text in said]
    assert wanted[0] == wanted[1]  # the same weights and ranges in both
    assert wanted[0][1] == 15
    assert started(TRAINS, str(kept), "8")[0] == [-9, -9]
    assert (kept / "kept" / "training.safetensors").is_file()
    codes, said = started(TRAINS, str(kept), "0")
    assert codes == [0, 0], said
    assert [json.loads(text.splitlines()[-1]) for text in said] == wanted


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
