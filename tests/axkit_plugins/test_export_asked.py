"""The script in an exported folder says what ``axkit predict`` says: as much is read, and no more is an answer."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
from conftest import folder_of

from axkit.finished.export import export
from axkit.finished.many import Predictor
from axkit.finished.verify import verify
from axkit.runtimes.folder import load_subject
from axkit.tasks.kinds.question_answering.compute import best_span
from axkit.testing.tiny import tiny_sentences

FILES = {"files": {"train": "train.jsonl", "test": "test.jsonl"}}
QUESTIONS = {"kind": "question_answering", "text": ["question", "context"], "label": "answers", "stride": 16, **FILES}
TAGS = {"kind": "token_classification", "text": "words", "label": "tags", **FILES}
SOME, MANY = tiny_sentences(12, 3), [" ".join(tiny_sentences(24, seed)) for seed in range(4)]
LONG = " ".join(tiny_sentences(12, 9))


@pytest.fixture
def asked(tmp_path):
    """An exported folder, as axkit asks it, and what its script says."""

    def made(head, task, family="bert", runtime="onnxruntime", change=None, **settings):
        about = {"task": task, "kind": task["kind"]} if task else {}
        folder_of(tmp_path / "model", head, about, family, **settings)
        if change is not None:
            change(tmp_path / "model")
        folder = export(tmp_path / "model", tmp_path / "there", runtime=runtime).folder
        return Predictor.open(folder), runpy.run_path(str(folder / "predict.py"))["said"]

    return made


@pytest.mark.parametrize("threshold", [None, 0.0])
@pytest.mark.parametrize("settings", [{}, {"max_length": 40, "stride": 12, "max_answer_tokens": 2}])
def test_questions(asked, settings, threshold):
    """Long ones, and contexts of several windows; each answer is one of few tokens."""
    predictor, said = asked("QuestionAnswering", {**QUESTIONS, **settings, "no_answer_threshold": threshold})
    rows = [(question, context) for question in (*SOME[:4], f"  {LONG}") for context in (*SOME[4:], *MANY)]
    found = [one["answer"] for one in predictor.predict_many(rows)]
    assert [said([*row]) for row in rows] == [[answer] for answer in found]
    assert len(set(found)) > 5
    assert ("" in found) == (threshold is not None)
    assert max(len(answer.split()) for answer in found) <= settings.get("max_answer_tokens", 30)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_questions_of_a_model_of_which_nothing_is_known(asked, family):
    predictor, said = asked("QuestionAnswering", None, family)
    for row in ((SOME[0], MANY[0]), (LONG, MANY[1]), (SOME[1], SOME[2])):
        assert said([*row]) == [predictor.predict_many([row])[0]["answer"]]


def test_both_have_an_answer_at_the_same_threshold(asked):
    """A hair above what a row has, and a hair below."""
    predictor, said = asked("QuestionAnswering", {**QUESTIONS, "no_answer_threshold": 0.0})
    row = (SOME[0], MANY[2])
    edge = _edge(predictor, row)
    found = []
    for threshold in (edge - 1e-4, edge + 1e-4):
        for name in ("axkit.json", "export.json"):
            _set_threshold(predictor.folder / name, threshold)
        if not found:
            _unhashed(predictor.folder / "export.json")
        again = Predictor.open(predictor.folder)
        said = runpy.run_path(str(predictor.folder / "predict.py"))["said"]
        found.append(again.predict_many([row])[0]["answer"])
        assert said([*row]) == [found[-1]]
    assert found[0] == "" != found[1]


def _edge(predictor, row):
    """How far the score of no answer is above the best answer's."""
    from axkit.tasks.split import Split

    how = predictor.how
    spec, rows = how.spec_for(predictor.opened.limit), how.kind.voice.asked(row, how.names)
    split = Split(rows, spec, how.kind, predictor.opened.reader, predictor.opened.limit)
    heard, notes = split.heard(predictor.opened.subject.body, how.voice), list(split.encoded.notes)
    assert len(heard) > 1
    best = max(best_span(one, note, spec.max_answer_tokens)[0] for one, note in zip(heard, notes, strict=True))
    return min(float(one[note.null].sum()) for one, note in zip(heard, notes, strict=True)) - best


def _set_threshold(path, threshold):
    said = json.loads(path.read_text(encoding="utf-8"))
    place = said["lengths"] if "lengths" in said else said["about"]["task"]
    place["no_answer_threshold"] = threshold
    path.write_text(json.dumps(said), encoding="utf-8")


def _changed(path, **settings):
    """A file of a folder, and no hash of it."""
    path.write_text(json.dumps(json.loads(path.read_text()) | settings), encoding="utf-8")
    _unhashed(path)


def _unhashed(path):
    manifest = json.loads((path.parent / "axkit.json").read_text())
    del manifest["sha256"][path.name]
    (path.parent / "axkit.json").write_text(json.dumps(manifest))


def _cut_on_the_left(folder):
    _changed(folder / "tokenizer_config.json", truncation_side="left")


def _in_wide_windows(folder):
    _changed(folder / "tokenizer_config.json", model_max_length=130)


def test_a_question_is_read_as_far_as_64_tokens(asked):
    task = {**QUESTIONS, "max_length": 120, "max_answer_tokens": 40}
    predictor, said = asked("QuestionAnswering", task, change=_in_wide_windows, max_position_embeddings=140)
    question = " ".join([LONG, LONG])
    found = [
        predictor.predict_many([(one, MANY[1])])[0]["answer"] for one in (question, " ".join(question.split()[:64]))
    ]
    assert len(question.split()) > 70
    assert said([question, MANY[1]]) == found[:1] == found[1:]


@pytest.mark.parametrize("change", [None, _cut_on_the_left])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_tags(asked, family, change):
    """Words of several pieces, and words that are cut off."""
    names = {str(number): name for number, name in enumerate(("O", "B", "I"))}
    predictor, said = asked("TokenClassification", {**TAGS, "max_length": 24}, family, change=change, id2label=names)
    texts = [*SOME, f"  {SOME[0]}\n{SOME[1]}   goodfilm!", LONG, LONG.replace(" ", "  the-film ")]
    for text in texts:
        (found,) = predictor.predict_many([text])
        assert said([text]) == [f"{one['word']}\t{one['tag']}" for one in found]
    assert any(one["probability"] is None for one in found), "nothing is cut off"


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ({"kind": "classification", "max_length": 8}, {"num_labels": 3}),
        ({"kind": "classification", "max_length": 12, "text": ["text", "pair"]}, {}),
        ({"kind": "regression", "max_length": 8}, {"num_labels": 1, "problem_type": "regression"}),
        ({"kind": "multi_label", "max_length": 8}, {"num_labels": 3, "problem_type": "multi_label_classification"}),
        (None, {}),
    ],
)
def test_texts_are_cut_where_the_task_cuts_them(asked, task, settings):
    task = {"text": "text", "label": "label", **FILES, **task} if task else None
    predictor, said = asked("SequenceClassification", task, **settings)
    pair = bool(task) and len(task["text"]) == 2
    for text in (*SOME[:4], LONG):
        row = (text, LONG) if pair else text
        (found,) = predictor.predict_many([row])
        lines = dict(line.split("\t") for line in said([*row] if pair else [row]))
        assert lines.keys() == found.keys()
        assert [float(value) for value in lines.values()] == pytest.approx([found[name] for name in lines], abs=1e-4)


def test_verify_tells_an_answer_from_none(asked, axkit_in_here):
    """That no answer is given has been no fault of a script before, which knew no threshold."""
    predictor, _ = asked("QuestionAnswering", {**QUESTIONS, "no_answer_threshold": -1000.0})
    assert [one.fault for one in verify(predictor.folder)] == ["", "", ""]
    path = predictor.folder / "export.json"
    _set_threshold(path, None)
    _unhashed(path)
    assert "another text" in list(verify(predictor.folder))[-1].fault


def test_a_folder_of_earlier_builds_loads(asked):
    predictor, _ = asked("SequenceClassification", None)
    path = predictor.folder / "export.json"
    said = json.loads(path.read_text())
    assert said.pop("lengths")["max_length"] == 60
    path.write_text(json.dumps(said))
    _unhashed(path)
    assert np.isfinite(load_subject(predictor.folder).body.values())
