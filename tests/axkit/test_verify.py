"""``axkit verify``: what is whole passes at every door; what was changed is one sentence and exit code 2."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from axkit.anatomy.family import family_of
from axkit.contract.manifest import GOLDEN
from axkit.finished import door
from axkit.finished import verify as module
from axkit.finished.verify import verify
from axkit.runtimes.folder import save
from axkit.runtimes.golden import golden_inputs, read_golden
from axkit.runtimes.manifest import read_manifest
from axkit.testing import tiny_reader, tiny_subject, tiny_tokenizer


def hard(name="bert"):
    subject = tiny_subject(family_of(name))
    subject.carve(subject.structure.without_heads(1, [2]).without_ffn(0).change(1, hard_k=6).change(2, hard_k=9))
    return subject


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    save(hard(), tiny_tokenizer(), made, golden=True)
    return made


@pytest.fixture
def in_here(monkeypatch):
    """axkit's door without a process of its own, which takes seconds; the other one answers as it does."""

    def run(command, **_):
        if "-m" in command:
            door.main(*command[-3:])
        else:
            answers = load_file(command[-1].replace("transformers.safetensors", "axkit.safetensors"))
            save_file(answers, command[-1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(module.subprocess, "run", run)


def mend_hash(folder, name):
    told = json.loads((folder / "axkit.json").read_text())
    told["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "axkit.json").write_text(json.dumps(told))


def test_every_door_in_a_process_of_its_own(folder, run):
    code, out, _ = run("verify", str(folder))
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[:2] for line in lines] == [["files", "ok"], ["axkit", "ok"], ["transformers", "ok"]]
    assert "5 batches" in lines[1]
    assert "trust_remote_code=True" in lines[2]


def test_code_that_answers_otherwise_is_found(folder, run, axkit_in_here):
    """The modeling file is wrong and its hash is right: what only asking it shows. And axkit itself does not run it."""
    path = folder / "modeling_axkit.py"
    text = path.read_text()
    assert text.count("topk(") == 2
    path.write_text(text.replace("scores.softmax(-1", "(2 * scores).softmax(-1"))
    mend_hash(folder, path.name)
    code, out, err = run("verify", str(folder), "--trust-code")
    assert code == 2
    assert [line.split()[1] for line in out.splitlines()] == ["ok", "ok", "FAULT"]
    assert "answers otherwise by transformers" in err
    assert len(err.splitlines()) == 1


def test_code_that_is_not_ours_is_not_run(folder, tmp_path, monkeypatch):
    """Hashes say what changed, not who wrote it."""
    mark, asked = tmp_path / "ran", []
    path = folder / "modeling_axkit.py"
    path.write_text(f"open({str(mark)!r}, 'w').close()\n{path.read_text()}")
    mend_hash(folder, path.name)
    real = module.subprocess.run

    def run(command, **options):
        asked.append(command)
        door.main(*command[-3:]) if "-m" in command else real(command, **options)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(module.subprocess, "run", run)
    found = list(verify(folder))
    assert "is not what this axkit writes" in found[-1].fault
    assert len(asked) == 1
    assert not mark.exists()


def test_golden_batches_have_the_shapes_that_matter(folder):
    golden = read_golden(folder)
    shapes = {case: tuple(one["input_ids"].shape) for case, one in golden.inputs.items()}
    assert shapes == {
        "1 x 1": (1, 1),
        "fewer than K": (2, 5),
        "K": (2, 6),
        "padded": (4, 24),
        "32 x 60": (32, 60),  # the tokenizer says 60 tokens at most
    }
    assert golden.inputs["padded"]["attention_mask"].sum(1).tolist() == [24, 18, 12, 1]
    subject = hard()
    for case, inputs in golden.inputs.items():
        assert torch.equal(subject.body.answer(inputs)["logits"], golden.answers[case]["logits"])
    assert GOLDEN in read_manifest(folder).sha256
    assert (folder / GOLDEN).stat().st_size < 20_000


def test_pixels_are_made_again_and_not_kept(tmp_path):
    subject = tiny_subject(family_of("vit"))
    save(subject, tiny_reader(subject.family), tmp_path, golden=True)
    golden = read_golden(tmp_path)
    assert golden.inputs["32 images"]["pixel_values"].shape == (32, 3, 12, 12)
    assert golden.inputs["32 images"]["pixel_values"].unique().numel() > 100
    assert (tmp_path / GOLDEN).stat().st_size < 2_000
    made = golden_inputs(subject, tiny_reader(subject.family))
    assert all(torch.equal(made[case]["pixel_values"], one["pixel_values"]) for case, one in golden.inputs.items())


def test_weights_that_changed(folder, in_here):
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"] += 0.01
    save_file(weights, path, {"format": "pt"})
    assert "not the file that axkit wrote" in next(iter(verify(folder))).fault
    mend_hash(folder, path.name)
    found = list(verify(folder))
    assert [bool(one.fault) for one in found] == [False, True, True]
    assert "answers otherwise by axkit" in found[1].fault


def test_a_pickle_beside_the_model(folder, run):
    (folder / "notes").write_bytes(pickle.dumps({}, protocol=4))
    code, out, err = run("verify", str(folder))
    assert code == 2
    assert out.split() == ["files", "FAULT"]
    assert "is a pickle" in err


def test_what_was_found_as_json(folder, run, in_here):
    code, out, _ = run("verify", str(folder), "--json")
    found = json.loads(out)
    assert code == 0
    assert [(one["door"], one["fault"]) for one in found] == [("files", ""), ("axkit", ""), ("transformers", "")]
    assert "5 batches" in found[1]["said"]
    (folder / "notes").write_bytes(pickle.dumps({}, protocol=4))
    code, out, err = run("verify", str(folder), "--json")
    (only,) = json.loads(out)
    assert code == 2
    assert only["fault"] in err
    assert "is a pickle" in only["fault"]


def test_a_folder_without_golden_batches(tmp_path, in_here):
    """As earlier axkits wrote them: it is asked, and other doors are held to axkit's own."""
    save(hard(), tiny_tokenizer(), tmp_path)
    assert read_golden(tmp_path) is None
    found = list(verify(tmp_path))
    assert [one.door for one in found] == ["files", "axkit", "transformers"]
    assert not any(one.fault for one in found)
    assert "no golden batch" in found[1].said
    assert "5 batches" in found[2].said


def test_what_a_door_says_of_its_failing(folder, monkeypatch):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nValueError: no such thing\n")

    monkeypatch.setattr(module.subprocess, "run", run)
    found = list(verify(folder))
    assert found[-1].door == "axkit"
    assert "ValueError: no such thing" in found[-1].fault


def test_no_folder(run):
    code, _, err = run("verify", "nowhere")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert sys.executable not in err
