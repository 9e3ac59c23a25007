"""``axkit verify`` of exported folders: ``predict.py`` says what axkit says, and no other script of a folder is run."""

from __future__ import annotations

import hashlib
import json
import math

import pytest

import axkit
from axkit.finished.alone import how_far
from axkit.finished.export import export
from axkit.finished.verify import verify
from axkit.ground.quiet import quiet
from axkit.testing import tiny_model, tiny_reader

SCRIPT = "predict.py"


def exported(place, head="SequenceClassification", family="bert", runtime="onnxruntime", **settings):
    """A tiny model's folder in another runtime."""
    family = axkit.family_of(family)
    with quiet():
        tiny_model(family, head=head, **settings).save_pretrained(place / "model")
    tiny_reader(family).save_pretrained(place / "model")
    return export(place / "model", place / "there", runtime=runtime).folder


def change_script(folder, before, after):
    """Its hash is mended too: what only its text shows."""
    path = folder / SCRIPT
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    told = json.loads((folder / "axkit.json").read_text())
    told["sha256"][SCRIPT] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "axkit.json").write_text(json.dumps(told))


def test_a_folder_of_onnxruntime_has_three_doors(tmp_path, run):
    folder = exported(tmp_path)
    code, out, _ = run("verify", str(folder))
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[:2] for line in lines] == [["files", "ok"], ["axkit", "ok"], [SCRIPT, "ok"]]
    assert "without axkit and PyTorch: 2 inputs, answers to" in lines[-1]


@pytest.mark.parametrize(
    ("head", "settings"),
    [
        ("TokenClassification", {"num_labels": 5}),
        ("QuestionAnswering", {}),
        ("SequenceClassification", {"num_labels": 1}),
        ("SequenceClassification", {"num_labels": 3, "problem_type": "multi_label_classification"}),
        ("SequenceClassification", {"num_labels": 3, "problem_type": "regression"}),
    ],
)
def test_every_head_is_compared(tmp_path, axkit_in_here, head, settings):
    found = list(verify(exported(tmp_path, head, **settings)))
    assert [(one.door, one.fault) for one in found] == [("files", ""), ("axkit", ""), (SCRIPT, "")]
    assert "answers to" in found[-1].said


@pytest.mark.parametrize("head", ["SequenceClassification", "TokenClassification"])
def test_openvino_too(tmp_path, axkit_in_here, head):
    found = list(verify(exported(tmp_path, head, runtime="openvino")))
    assert found[-1].door == SCRIPT
    assert not any(one.fault for one in found)


@pytest.mark.parametrize("settings", [{}, {"num_labels": 1}, {"problem_type": "multi_label_classification"}])
def test_images_too(tmp_path, axkit_in_here, settings):
    found = list(verify(exported(tmp_path, "ImageClassification", "vit", **settings)))
    assert found[-1].door == SCRIPT
    assert not any(one.fault for one in found)


def test_a_script_that_is_not_ours_is_not_run(tmp_path, axkit_in_here, run):
    folder, mark = exported(tmp_path), tmp_path / "ran"
    change_script(folder, "import json\n", f"import json\nopen({str(mark)!r}, 'w').close()\n")
    code, out, err = run("verify", str(folder))
    assert code == 2
    assert [line.split()[1] for line in out.splitlines()] == ["ok", "ok", "FAULT"]
    assert f"{SCRIPT} is not what this axkit writes, and was not run" in err
    assert len(err.splitlines()) == 1
    assert not mark.exists()
    assert run("verify", str(folder), "--trust-code")[0] == 0
    assert mark.exists()


def test_a_script_that_nobody_lists_is_none(tmp_path, axkit_in_here):
    folder = exported(tmp_path)
    told = json.loads((folder / "axkit.json").read_text())
    del told["sha256"][SCRIPT]
    (folder / "axkit.json").write_text(json.dumps(told))
    (folder / SCRIPT).write_text("raise SystemExit(1)")
    assert [one.door for one in verify(folder)] == ["files", "axkit"]


@pytest.mark.parametrize(
    ("head", "before", "after", "told"),
    [
        ("SequenceClassification", "{values[i]:.4f}", "{values[i] / 2:.4f}", "off by"),
        ("SequenceClassification", "{names[str(i)]}", "class {i}", "other labels"),
        ("TokenClassification", ".argmax(-1)", ".argmin(-1)", "off by 1,"),
        ("QuestionAnswering", "+ end[j] > score", "+ end[j] < 0", "another text"),
        ("SequenceClassification", "import json\n", "import json\nimport torch\n", "torch is not to be had here"),
    ],
)
def test_a_script_that_answers_otherwise(tmp_path, axkit_in_here, head, before, after, told):
    folder = exported(tmp_path, head)
    change_script(folder, before, after)
    found = list(verify(folder, trust_code=True))
    assert [bool(one.fault) for one in found] == [False, False, True]
    assert told in found[-1].fault


def test_pieces_are_matched_with_words():
    """The first piece of a word has its tag; spaces may belong to a piece, and a word may have none."""
    tags = [("na\u00efve,", "A"), ("so", "B"), ("so", "C")]
    said = [{"word": word, "tag": tag, "probability": 0.9} for word, tag in tags]
    pieces = ["na\tA", "\u00ef\tB", "\u00ef\tC", "ve\tC", ",\tA", "\tA", " so\tB", "so\tC"]
    assert how_far(said, "\n".join(pieces)) == 0
    assert how_far(said, "\n".join(pieces[:-1])) == pytest.approx(1 / 3)
    said[2]["probability"] = None
    assert how_far(said, "\n".join(pieces[:-1])) == 0


def test_numbers_are_compared_beside_their_size():
    assert how_far({"score": -20.0}, "score\t-19.0000\n") == pytest.approx(0.05)
    assert how_far({"a": 0.25, "b": 0.75}, "b\t0.7000\na\t0.3000\n") == pytest.approx(0.05)
    assert how_far({"score": 1.0}, "score\tnan\n") == math.inf
    assert how_far({"score": 1.0}, "") == math.inf
    assert how_far({"answer": ""}, "a play\n") == how_far({"answer": "a play"}, "\n") == math.inf
    assert how_far({"answer": ""}, "\n") == how_far({"answer": "a play"}, "a play\n") == 0
