"""The head of a checkpoint: what its config says of its labels, their order, and a model used with its own names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from axkit.anatomy.family import family_of
from axkit.finished import use as using
from axkit.ground.errors import CheckpointError, DataError
from axkit.report.run_folder import write_run
from axkit.run.engine import apply
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.runtimes.folder import save
from axkit.tasks.labels.head import Head, head_of
from axkit.tasks.labels.naming import order_for
from axkit.testing import tiny_subject, tiny_tokenizer

NLI = ("entailment", "neutral", "contradiction")


def config(**fields):
    return {"architectures": ["BertForSequenceClassification"], **fields}


def test_what_a_config_says_of_its_head():
    def names(**fields):
        return head_of(config(**fields), "classification", "model 'm'").names

    assert names() == ("LABEL_0", "LABEL_1")
    assert names(num_labels=3) == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert names(id2label={"1": "b", "0": "a", "2": "c"}) == ("a", "b", "c")
    assert names(id2label={0: "a", 1: "b"}, label2id={"LABEL_0": 0, "LABEL_1": 1}) == ("a", "b")
    assert names(id2label={"0": 7, "1": 9}, label2id={"7": "0", "9": "1"}) == ("7", "9")
    assert head_of(config(), "token_classification", "m") is None
    assert head_of({}, "classification", "m") is None
    assert head_of({"architectures": []}, "classification", "m") is None
    assert head_of({"architectures": ["AxkitBertForQuestionAnswering"]}, "question_answering", "m") == Head((), "m")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id2label": ["a", "b"]}, "is no object of number -> name"),
        ({"id2label": {}}, "is no object of number -> name"),
        ({"id2label": {"0": "a", "2": "b"}}, "has the numbers 0, 2, and 2 labels are numbered 0 to 1"),
        ({"id2label": {"a": 0, "b": 1}}, "has the numbers a, b"),
        ({"id2label": {"0": "a", "1": "a"}}, "has the name 'a' twice"),
        ({"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}, "'a' is label 0 by id2label .* and 1 by"),
        ({"num_labels": "2"}, "num_labels in config.json is '2'"),
    ],
)
def test_a_damaged_head_is_refused(fields, words):
    with pytest.raises(CheckpointError, match=words):
        head_of(config(**fields), "classification", "model 'm'")


@pytest.mark.parametrize(
    ("names", "head", "order"),
    [
        (("a", "b"), ("a", "b"), (0, 1)),
        (("a", "b"), ("B", "A"), (1, 0)),
        (("a", "b"), ("LABEL_0", "LABEL_1"), (0, 1)),
        (("LABEL_0", "LABEL_1"), ("a", "b"), (0, 1)),
        (("LABEL_0", "LABEL_1"), ("LABEL_1", "LABEL_0"), None),
        (("a", "b"), ("a", "c"), None),
        (("a", "b"), ("a", "b", "c"), None),
    ],
)
def test_the_order_of_another_heads_outputs(names, head, order):
    assert order_for(names, Head(head, "teacher")) == order


RECIPE = """\
axkit: 1
name: named
model: model
task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: s, label: y}
passes:
  - pass: hard_attention
    k: 5
"""


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A head with names, and data that says what it answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    subject = tiny_subject(family_of("bert"), num_labels=3, id2label=dict(enumerate(NLI)))
    (tmp_path / "model").mkdir()
    save(subject, tiny_tokenizer(), tmp_path / "model")
    (tmp_path / "model" / "axkit.json").unlink()
    tokenizer, draw = tiny_tokenizer(), np.random.default_rng(0)
    words = [word for word in tokenizer.get_vocab() if word.isalpha() and word.islower()]
    for name, count in (("train", 200), ("test", 60)):
        rows = []
        for _ in range(count):
            text = " ".join(draw.choice(words, draw.integers(2, 5)))
            best = int(subject.module(**tokenizer(text, return_tensors="pt")).logits.argmax())
            rows.append(json.dumps({"s": text, "y": NLI[best]}))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    return tmp_path


def test_a_model_that_is_right_scores_so_and_keeps_its_names(named):
    made = plan(read_source(RECIPE, "recipe"))
    assert set(made.rows.label_names) == set(NLI), "premise: names in the data"
    run = apply(made, named / "runs")
    write_run(run, named / "out")
    assert run.summary.quality.dense.points == 100
    saved = json.loads((named / "out" / "config.json").read_text())
    assert saved["id2label"] == {str(i): name for i, name in enumerate(NLI)}
    assert saved["label2id"] == {name: i for i, name in enumerate(NLI)}
    assert using.evaluate(named / "out").score == run.summary.quality.result.points
    task = {"kind": "classification", "files": {n: f"{n}.jsonl" for n in ("train", "test")}, "text": "s", "label": "y"}
    assert using.evaluate(named / "model", task).score == 100
    with pytest.raises(DataError, match="'label_map' names 'x'"):
        using.evaluate(named / "model", task | {"label_map": {"neutral": "x"}})
