"""Two processes started by accelerate decide as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import write_rows

from axkit.anatomy.family import family_of
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
  - {{pass: hard_attention, k: 5, vote: 0.3}}
  - {{pass: axformer_prune, vote: 0.3, tolerance: 0.1}}
"""


@pytest.mark.slow
def test_two_processes_decide_as_one(tmp_path):
    with quiet():
        tiny_model(family_of("bert"), 1).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    for seed, name in enumerate(("train", "search", "test")):
        write_rows(tmp_path / f"{name}.jsonl", 300, seed)  # enough to screen, where the processor has bfloat16
    (tmp_path / "shared.yaml").write_text(RECIPE.format(folder=tmp_path))
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
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "29517", "-m", "axkit"]
    found = []
    for number, command in enumerate(([sys.executable, "-m", "axkit"], launch)):
        out = tmp_path / str(number)
        run = subprocess.run(
            [*command, "apply", str(tmp_path / "shared.yaml"), "--out", str(out)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 0, run.stderr[-2000:]
        assert run.stdout.count("Written to") == 1
        lines = [json.loads(line) for line in (out / "shared" / "journal.jsonl").read_text().splitlines()]
        found.append([(line["element"], line["accepted"]) for line in lines])
    assert found[0] == found[1]
    assert any(accepted for _, accepted in found[0])
