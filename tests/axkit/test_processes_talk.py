"""Two processes of a job talk to each other, end together, and go on with a training together."""

from __future__ import annotations

import json

import pytest
from launch import started

TALK = """
import json, sys
import numpy as np
from axkit.ground.processes import current
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
from axkit.ground.errors import AxkitError
from axkit.ground.processes import current
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
from axkit.ground.errors import AxkitError
from axkit.ground.processes import current
from axkit.testing import tiny_subject, lend
from axkit_plugins.finetune import Finetune
here, steps, compute = current(), 0, Trainer.training_step
def step(*args, **kwargs):
    global steps
    steps += 1
    if steps == 3 and here.rank == 1:
        os.kill(os.getpid(), 9)
    return compute(*args, **kwargs)
Trainer.training_step = step
tools = replace(lend(Path(sys.argv[1])), processes=here, scratch=None)
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


TRAINS = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
from transformers import Trainer
from axkit.anatomy.family import family_of
from axkit.ground.processes import current
from axkit.testing import tiny_subject, lend
from axkit_plugins.quantize.q8bert import Q8bert
from axkit.kit.train import checkpoints, resume
resume._COST, here, left, compute = 0, current(), int(sys.argv[2]), Trainer.training_step
def step(*args, **kwargs):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)
    return compute(*args, **kwargs)
Trainer.training_step = step
folder = Path(sys.argv[1])
tools = replace(lend(folder), processes=here, scratch=folder / "kept")
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
